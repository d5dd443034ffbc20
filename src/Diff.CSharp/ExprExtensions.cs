using System.Numerics.Tensors;

namespace Diff;

/// <summary>Values, gradients in the imperative style, and pictures of expressions.</summary>
public static class ExprExtensions
{
    extension(Expr x)
    {
        /// <summary>What <c>Backward</c> has accumulated in a variable so far; null before.</summary>
        /// <exception cref="InvalidOperationException">The expression is not a variable.</exception>
        public NDArray? Grad
        {
            get => Values.variableIn("Grad", Given(x)).Gradient;
            set
            {
                var variable = Values.variableIn("Grad", Given(x));
                if (value is not null) VariableModule.checkAs("Grad", DTypeModule.ofDerivative(variable.DType), variable, value);
                variable.Gradient = value;
            }
        }

        /// <summary>What a variable holds now: its own memory, not a copy.</summary>
        /// <exception cref="InvalidOperationException">The expression is not a variable, or has no value.</exception>
        public NDArray Value => VariableModule.valueOf(Values.variableIn("Value", Given(x)));

        /// <summary>The name of a variable; empty for anything else.</summary>
        public string Name => Values.nameOf(Given(x));

        /// <summary>The value now, with what the variables hold; an array of its own.</summary>
        public NDArray Eval() => Evaluate.one(Given(x));

        /// <summary>The value now, as a tensor.</summary>
        /// <typeparam name="T">The expression's element type.</typeparam>
        /// <exception cref="DTypeException">The elements are of another type.</exception>
        public Tensor<T> Eval<T>() where T : unmanaged => Evaluate.one(Given(x)).ToTensor<T>();

        /// <summary>The value now of an expression of one element.</summary>
        /// <exception cref="ShapeException">There is not one element.</exception>
        public double Item() => Values.item(Given(x));

        /// <summary>Gives a variable another value of the same shape and element type; what is evaluated later sees it.</summary>
        /// <param name="value">The value; it is copied.</param>
        /// <exception cref="InvalidOperationException">The expression is not a variable.</exception>
        /// <exception cref="ShapeException">The shape differs.</exception>
        public void Assign(NDArray value) => Values.assign(Given(x), Given(value));

        /// <summary>
        /// Adds the gradient of this scalar to <c>Grad</c> of every variable of a float type that it depends on.
        /// </summary>
        /// <exception cref="ShapeException">The expression is not a scalar.</exception>
        public void Backward() => Imperative.Backward(Given(x), null);

        /// <summary>Adds the cotangent, pulled back, to <c>Grad</c> of every variable of a float type that this depends on.</summary>
        /// <param name="cotangent">An array of this expression's shape.</param>
        public void Backward(NDArray cotangent) => Imperative.Backward(Given(x), Given(cotangent));

        /// <summary>Forgets what <c>Backward</c> has accumulated in a variable.</summary>
        public void ZeroGrad() => Values.variableIn("ZeroGrad", Given(x)).Gradient = null;

        /// <summary>
        /// The first operation that makes NaN of operands without any; without NaN, the first that makes an infinity of finite operands;
        /// null if there is neither. Its line is known if the graph was built under <see cref="SourceLines.Record"/>.
        /// </summary>
        public Anomaly? FindAnomaly() => Anomalies.find(true, [Given(x)]);

        /// <summary>The graph as LaTeX.</summary>
        public string ToLatex() => Print.Latex(Given(x));

        /// <summary>The graph as a listing, one node a line.</summary>
        public string ToListing() => Print.Listing([Given(x)]);

        /// <summary>The graph in Graphviz's language, module scopes as clusters.</summary>
        public string ToDot() => Print.Dot([Given(x)]);

        /// <summary>How the value is computed: the steps of its plan with sizes, operations and bytes.</summary>
        public string Explain() => Explanations.explain(Given(x));

        /// <summary>The same with the time that each step takes: the median of some runs.</summary>
        public string Profile() => Explanations.profile(Given(x));

        /// <summary>Writes the graph as a page that opens in a browser without a network; module scopes fold.</summary>
        /// <param name="path">The file.</param>
        public void SaveHtml(string path) => Print.SaveHtml(Given(path), path, [Given(x)]);
    }
}
