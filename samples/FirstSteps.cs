// The first steps with Diff: values, derivatives as graphs, compiled functions, a network. dotnet run samples/FirstSteps.cs
#:project ../src/Diff.CSharp/Diff.CSharp.csproj
#:property PublishAot=false

using Diff;
using static Diff.Ops;

var x = Variable(3.0, "x");
var y = Variable(4.0, "y");
Expr z = x * y + Exp(x + 3);
Console.WriteLine($"z = {z} = {z.Item()}");

// A derivative is a graph like any other: it prints as a formula and has derivatives itself.
Expr dz = Grad(z, x);
Console.WriteLine($"dz/dx = {dz} = {dz.Item()}");
Console.WriteLine($"d²z/dx² = {Grad(dz, x).Item()}");

// Several at once; leaves can be given another value.
Expr[] gradient = Grad(z, [x, y]);
x.Assign(5.0);
Console.WriteLine($"at x = 5: z = {z.Item()}, gradient = ({gradient[0].Item()}, {gradient[1].Item()})");

// A function traced, differentiated and compiled once.
var f = Compile((Expr a, Expr b) => (a / b - a) * (b / a + a + b) * (a - b));
var (value, gradients) = f.ValueAndGrad(230.3, 33.2);
Console.WriteLine($"f(230.3, 33.2) = {value}, gradient = ({gradients[0]}, {gradients[1]})");

// A network that learns exclusive or: forward, backward and update are one plan.
var random = new Random(1);
var model = new Sequential(new Linear(2, 8, random: random), new Tanh(), new Linear(8, 1, random: random));
var step = TrainingStep.Compile(model, (x, y) => Mean(SigmoidCrossEntropy(model.Call(x), y)), Optimizer.Adam(0.05));
NDArray inputs = new float[,] { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
NDArray targets = new float[,] { { 0 }, { 1 }, { 1 }, { 0 } };
for (var i = 0; i <= 200; i++)
{
    var loss = step.Run(inputs, targets);
    if (i % 50 == 0) Console.WriteLine($"step {i}: loss {loss:F5}");
}
Console.WriteLine($"learned: {Sigmoid(model.Call(Constant(inputs))).Eval()}");
