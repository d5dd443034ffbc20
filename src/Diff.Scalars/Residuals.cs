namespace Diff;

/// <summary>
/// Many small functions of one long vector, each of a few blocks of it: the errors of bundle adjustment, of a graph of poses, of curves with shared
/// parameters. Their results follow one another, and their Jacobian is sparse.
/// </summary>
public sealed class Residuals
{
    private readonly List<Group> _groups = [];

    /// <summary>No functions yet.</summary>
    /// <param name="arguments">How long the vector is.</param>
    public Residuals(int arguments)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(arguments);
        Arguments = arguments;
    }

    /// <summary>How long the vector is.</summary>
    public int Arguments { get; }

    /// <summary>How many results all functions have.</summary>
    public int Results { get; private set; }

    /// <summary>How many elements the Jacobian has.</summary>
    public int Elements { get; private set; }

    /// <summary>Adds functions of one kind; their results follow those of the functions before.</summary>
    /// <param name="results">How many results each has.</param>
    /// <param name="lengths">The blocks of the vector that each takes as its arguments, one after the other: how long they are.</param>
    /// <param name="functions">The functions.</param>
    /// <param name="starts">Where the blocks begin in the vector: of the first function, then of the second one.</param>
    /// <returns>This.</returns>
    /// <exception cref="ArgumentException">There are not as many starts as functions have blocks, or a block is outside the vector or overlaps another one of its function.</exception>
    public Residuals Add<TFunction>(int results, int[] lengths, TFunction[] functions, int[] starts) where TFunction : IVectorFunction
    {
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentNullException.ThrowIfNull(functions);
        ArgumentNullException.ThrowIfNull(starts);
        ArgumentOutOfRangeException.ThrowIfNegative(results);
        if (Array.Exists(lengths, length => length < 0)) throw new ArgumentException($"Residuals: expected blocks of lengths ≥ 0, got {string.Join(", ", lengths)}", nameof(lengths));
        Differentiate.Expect("Residuals", nameof(starts), starts.Length, checked(functions.Length * lengths.Length));
        for (var f = 0; f < functions.Length; f++) Check(f, lengths, starts.AsSpan(f * lengths.Length, lengths.Length));
        var group = new Group<TFunction>(results, [.. lengths], functions, starts, Results, Elements);
        var (count, elements) = (checked(Results + group.Results), checked(Elements + group.Elements));
        _groups.Add(group);
        (Results, Elements) = (count, elements);
        return this;
    }

    private void Check(int function, int[] lengths, ReadOnlySpan<int> starts)
    {
        for (var b = 0; b < lengths.Length; b++)
        {
            var (start, end) = (starts[b], (long)starts[b] + lengths[b]);
            if (start < 0 || end > Arguments)
                throw new ArgumentException($"Residuals: block {b} of function {function}, {start} to {end}, is outside the {Arguments} arguments", nameof(starts));
            for (var a = 0; a < b; a++)
                if (starts[a] < end && start < starts[a] + lengths[a])
                    throw new ArgumentException($"Residuals: blocks {a} and {b} of function {function} overlap, at {starts[a]} and {start}; give it what they share once", nameof(starts));
        }
    }

    /// <summary>The results of all functions.</summary>
    /// <param name="x">The vector.</param>
    /// <param name="values">Room for all results.</param>
    public void Evaluate(ReadOnlySpan<double> x, Span<double> values)
    {
        Differentiate.Expect(nameof(Evaluate), nameof(x), x.Length, Arguments);
        Differentiate.Expect(nameof(Evaluate), nameof(values), values.Length, Results);
        foreach (var group in _groups) group.Evaluate(x, values);
    }

    /// <summary>The results of all functions and their Jacobian with respect to the vector.</summary>
    /// <param name="x">The vector.</param>
    /// <param name="values">Room for all results.</param>
    public CsrMatrix Jacobian(ReadOnlySpan<double> x, Span<double> values)
    {
        var jacobian = new CsrMatrix(Results, Arguments, Elements);
        Jacobian(x, values, jacobian);
        return jacobian;
    }

    /// <summary>The same into a matrix of this size, of which all is written: nothing is allocated in the steady state.</summary>
    /// <param name="x">The vector.</param>
    /// <param name="values">Room for all results.</param>
    /// <param name="jacobian">A matrix of an earlier call, or a new one of so many rows, columns and elements.</param>
    public void Jacobian(ReadOnlySpan<double> x, Span<double> values, CsrMatrix jacobian)
    {
        ArgumentNullException.ThrowIfNull(jacobian);
        Differentiate.Expect(nameof(Jacobian), nameof(x), x.Length, Arguments);
        Differentiate.Expect(nameof(Jacobian), nameof(values), values.Length, Results);
        if ((jacobian.Rows, jacobian.Columns, jacobian.Values.Length) != (Results, Arguments, Elements))
            throw new ArgumentException(
                $"Jacobian: expected a matrix of {Results} rows, {Arguments} columns and {Elements} elements, got {jacobian.Rows}, {jacobian.Columns} and {jacobian.Values.Length}",
                nameof(jacobian));
        foreach (var group in _groups) group.Jacobian(x, values, jacobian);
    }

    /// <summary>Functions of one kind, and where their results and elements begin.</summary>
    private abstract class Group
    {
        public abstract void Evaluate(ReadOnlySpan<double> x, Span<double> values);

        public abstract void Jacobian(ReadOnlySpan<double> x, Span<double> values, CsrMatrix jacobian);
    }

    private sealed class Group<TFunction>(int results, int[] lengths, TFunction[] functions, int[] starts, int firstResult, int firstElement) : Group
        where TFunction : IVectorFunction
    {
        private readonly int _arguments = checked((int)lengths.Sum(length => (long)length));

        // Where each block begins among a function's arguments.
        private readonly int[] _offsets = [.. lengths.Select((_, b) => lengths.Take(b).Sum())];

        public int Results => checked(functions.Length * results);

        public int Elements => checked(Results * _arguments);

        private ReadOnlySpan<int> Blocks(int function) => starts.AsSpan(function * lengths.Length, lengths.Length);

        private void Gather(ReadOnlySpan<double> x, ReadOnlySpan<int> blocks, Span<double> arguments)
        {
            var at = 0;
            for (var b = 0; b < blocks.Length; b++)
            {
                // Blocks are short: a call would take longer than the loop.
                foreach (var e in x.Slice(blocks[b], lengths[b])) arguments[at++] = e;
            }
        }

        public override void Evaluate(ReadOnlySpan<double> x, Span<double> values)
        {
            var arguments = Scratch<double>.Rent(_arguments);
            try
            {
                for (var f = 0; f < functions.Length; f++)
                {
                    Gather(x, Blocks(f), arguments);
                    functions[f].Invoke<double>(arguments, values.Slice(firstResult + f * results, results));
                }
            }
            finally
            {
                Scratch<double>.Return(_arguments);
            }
        }

        public override void Jacobian(ReadOnlySpan<double> x, Span<double> values, CsrMatrix jacobian)
        {
            var size = results * _arguments;
            var arguments = Scratch<double>.Rent(_arguments);
            var order = Scratch<int>.Rent(lengths.Length);
            var unordered = Scratch<double>.Rent(size);
            try
            {
                for (var f = 0; f < functions.Length; f++)
                {
                    var blocks = Blocks(f);
                    var (row, first) = (firstResult + f * results, firstElement + f * size);
                    var elements = jacobian.Values.Slice(first, size);
                    var isOrdered = Order(blocks, order);
                    Gather(x, blocks, arguments);
                    Differentiate.Jacobian(functions[f], arguments, values.Slice(row, results), isOrdered ? elements : unordered);
                    if (!isOrdered) Reorder(unordered, order, elements);
                    Columns(blocks, order, jacobian.ColumnIndices.Slice(first, size));
                    for (var r = 0; r < results; r++) jacobian.RowPointers[row + r] = first + r * _arguments;
                }
            }
            finally
            {
                Scratch<double>.Return(size);
                Scratch<int>.Return(lengths.Length);
                Scratch<double>.Return(_arguments);
            }
        }

        // The blocks by where they begin, so that columns ascend; whether that is their own order.
        private static bool Order(ReadOnlySpan<int> blocks, Span<int> order)
        {
            var isOrdered = true;
            for (var b = 0; b < blocks.Length; b++)
            {
                var at = b;
                for (; at > 0 && blocks[order[at - 1]] > blocks[b]; at--) order[at] = order[at - 1];
                order[at] = b;
                isOrdered &= at == b;
            }
            return isOrdered;
        }

        private void Reorder(ReadOnlySpan<double> from, ReadOnlySpan<int> order, Span<double> to)
        {
            for (var row = 0; row < from.Length; row += _arguments)
            {
                var at = row;
                foreach (var b in order)
                {
                    from.Slice(row + _offsets[b], lengths[b]).CopyTo(to[at..]);
                    at += lengths[b];
                }
            }
        }

        // Those of the first result, and copies for the others.
        private void Columns(ReadOnlySpan<int> blocks, ReadOnlySpan<int> order, Span<int> columns)
        {
            if (columns.Length == 0) return;
            var at = 0;
            foreach (var b in order)
                for (var i = 0; i < lengths[b]; i++) columns[at++] = blocks[b] + i;
            for (; at < columns.Length; at += _arguments) columns[.._arguments].CopyTo(columns[at..]);
        }
    }
}
