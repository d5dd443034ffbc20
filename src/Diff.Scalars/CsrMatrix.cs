namespace Diff;

/// <summary>A sparse matrix of numbers in compressed rows: of each row its elements and their columns.</summary>
public sealed class CsrMatrix
{
    private readonly int[] _rowPointers, _columnIndices;
    private readonly double[] _values;

    /// <summary>A matrix with room for its elements; all of them are 0 in column 0 of the last row until they are written.</summary>
    /// <param name="rows">How many rows.</param>
    /// <param name="columns">How many columns.</param>
    /// <param name="elements">How many elements are stored.</param>
    public CsrMatrix(int rows, int columns, int elements)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        ArgumentOutOfRangeException.ThrowIfNegative(elements);
        if (elements > (long)rows * columns)
            throw new ArgumentOutOfRangeException(nameof(elements), $"CsrMatrix: {rows} rows and {columns} columns have no room for {elements} elements");
        (Rows, Columns) = (rows, columns);
        (_rowPointers, _columnIndices, _values) = (new int[rows + 1], new int[elements], new double[elements]);
        _rowPointers[rows] = elements;
    }

    /// <summary>How many rows.</summary>
    public int Rows { get; }

    /// <summary>How many columns.</summary>
    public int Columns { get; }

    /// <summary>Where the elements of each row begin, and at last where those of the last one end.</summary>
    public Span<int> RowPointers => _rowPointers;

    /// <summary>The column of each element, ascending in each row.</summary>
    public Span<int> ColumnIndices => _columnIndices;

    /// <summary>The elements, row after row.</summary>
    public Span<double> Values => _values;

    /// <summary>The product with a vector.</summary>
    /// <param name="x">As many numbers as there are columns.</param>
    /// <param name="y">Room for as many as there are rows.</param>
    public void Multiply(ReadOnlySpan<double> x, Span<double> y)
    {
        Differentiate.Expect(nameof(Multiply), nameof(x), x.Length, Columns);
        Differentiate.Expect(nameof(Multiply), nameof(y), y.Length, Rows);
        for (var i = 0; i < Rows; i++)
        {
            var sum = 0.0;
            for (var k = _rowPointers[i]; k < _rowPointers[i + 1]; k++) sum += _values[k] * x[_columnIndices[k]];
            y[i] = sum;
        }
    }

    /// <summary>The product of the transpose with a vector.</summary>
    /// <param name="x">As many numbers as there are rows.</param>
    /// <param name="y">Room for as many as there are columns.</param>
    public void MultiplyTransposed(ReadOnlySpan<double> x, Span<double> y)
    {
        Differentiate.Expect(nameof(MultiplyTransposed), nameof(x), x.Length, Rows);
        Differentiate.Expect(nameof(MultiplyTransposed), nameof(y), y.Length, Columns);
        y.Clear();
        for (var i = 0; i < Rows; i++)
            for (var k = _rowPointers[i]; k < _rowPointers[i + 1]; k++) y[_columnIndices[k]] += _values[k] * x[i];
    }

    /// <summary>All elements, with zeros.</summary>
    public double[,] ToDense()
    {
        var all = new double[Rows, Columns];
        for (var i = 0; i < Rows; i++)
            for (var k = _rowPointers[i]; k < _rowPointers[i + 1]; k++) all[i, _columnIndices[k]] += _values[k];
        return all;
    }
}
