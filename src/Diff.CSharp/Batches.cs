using System.Collections;
using System.Globalization;

namespace Diff;

/// <summary>
/// Data cut into batches along the first axis, epoch after epoch, in another order in each if there is a seed. Where it stands can be saved and
/// restored, also in the middle of an epoch: <c>foreach (var batch in batches) step.Run(batch);</c> goes through what is left of one.
/// </summary>
public sealed class Batches : IEnumerable<NDArray[]>
{
    private readonly NDArray[] _arrays;
    private readonly long? _seed;
    private readonly bool _dropLast;
    private long[] _order = [];
    private long _orderOf = -1; // the epoch that the order is for

    /// <summary>Batches of arrays that belong together, such as inputs and targets.</summary>
    /// <param name="arrays">The arrays, with as many rows each along the first axis. They are read when a batch is made.</param>
    /// <param name="batchSize">Rows of a batch, at least 1.</param>
    /// <param name="seed">What the order of each epoch is drawn from; rows are in the order of the arrays if absent.</param>
    /// <param name="dropLast">Whether rows that do not fill a batch are left out; else they are a smaller one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1, or no batch would be left.</exception>
    /// <exception cref="ShapeException">The arrays have different numbers of rows.</exception>
    public Batches(NDArray[] arrays, int batchSize, long? seed = null, bool dropLast = false)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        if (arrays.Length == 0) throw new ArgumentException("Batches: expected at least one array, got none", nameof(arrays));
        foreach (var array in arrays)
        {
            if (array.Shape.Rank == 0 || arrays[0].Shape.Rank == 0 || array.Shape[0] != arrays[0].Shape[0])
            {
                var shapes = string.Join(" and ", arrays.Select(a => a.Shape));
                throw new ShapeException($"Batches: expected arrays with as many rows each, got shapes {shapes}");
            }
        }
        if (batchSize < 1) throw new ArgumentOutOfRangeException(nameof(batchSize), $"Batches: expected a batch size of at least 1, got {batchSize}");
        Count = arrays[0].Shape[0];
        if (Count == 0 || (dropLast && batchSize > Count))
            throw new ArgumentOutOfRangeException(nameof(batchSize), $"Batches: {Count} rows give no batch of {batchSize}{(dropLast ? ", and a smaller one is left out" : "")}");
        (_arrays, BatchSize, _seed, _dropLast) = ([.. arrays], batchSize, seed, dropLast);
    }

    /// <summary>Rows of the arrays.</summary>
    public int Count { get; }

    /// <summary>Rows of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Batches of an epoch.</summary>
    public int BatchesPerEpoch => _dropLast ? Count / BatchSize : ((Count - 1) / BatchSize) + 1;

    /// <summary>The number of the epoch, from 0.</summary>
    public long Epoch { get; private set; }

    /// <summary>How many batches of the epoch have been given out.</summary>
    public int Position { get; private set; }

    /// <summary>The next batch, the first of the next epoch after the last of one: a new array for each.</summary>
    public NDArray[] Next()
    {
        var first = Position * BatchSize;
        var rows = Order().AsSpan(first, Math.Min(BatchSize, Count - first)).ToArray();
        var batch = new NDArray[_arrays.Length];
        for (var i = 0; i < batch.Length; i++) batch[i] = Rows(_arrays[i], rows);
        if (++Position == BatchesPerEpoch) (Epoch, Position) = (Epoch + 1, 0);
        return batch;
    }

    /// <summary>What is left of the epoch, batch by batch.</summary>
    public IEnumerator<NDArray[]> GetEnumerator()
    {
        var epoch = Epoch;
        while (Epoch == epoch) yield return Next();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Where the data stand, as words for the metadata of a checkpoint: <c>step.Save(path, batches.State())</c>.</summary>
    /// <param name="name">What the words begin with; data sets saved together need names of their own.</param>
    public Dictionary<string, string> State(string name = "batches") => new()
    {
        [Given(name) + ".epoch"] = Epoch.ToString(CultureInfo.InvariantCulture),
        [name + ".position"] = Position.ToString(CultureInfo.InvariantCulture),
        [name + ".of"] = Description,
    };

    /// <summary>Goes where <see cref="State"/> was taken: <c>batches.Restore(step.Load(path))</c>.</summary>
    /// <param name="state">Words that hold it; others are ignored.</param>
    /// <param name="name">What the words begin with.</param>
    /// <exception cref="ArgumentException">They are not there, or are of other data, another batch size or another seed.</exception>
    public void Restore(IReadOnlyDictionary<string, string> state, string name = "batches")
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(name);
        string Word(string what) => state.TryGetValue(name + what, out var word)
            ? word
            : throw new ArgumentException($"Batches: \"{name}{what}\" is missing", nameof(state));
        if (Word(".of") != Description)
            throw new ArgumentException($"Batches: the state is of {Word(".of")}, these are {Description}", nameof(state));
        if (!long.TryParse(Word(".epoch"), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch)
            || !int.TryParse(Word(".position"), NumberStyles.None, CultureInfo.InvariantCulture, out var position) || position >= BatchesPerEpoch)
            throw new ArgumentException($"Batches: epoch \"{Word(".epoch")}\" and position \"{Word(".position")}\" are no place in {Description}", nameof(state));
        (Epoch, Position) = (epoch, position);
    }

    private string Description =>
        string.Create(CultureInfo.InvariantCulture, $"{Count} rows by {BatchSize}, {(_dropLast ? "full" : "all")}, {(_seed is { } seed ? $"seed {seed}" : "in order")}");

    // With a seed, the permutation of its key with the number of the epoch folded in.
    private long[] Order()
    {
        if (_orderOf == Epoch || (_seed is null && _orderOf >= 0)) return _order;
        if (_seed is { } seed)
        {
            var epoch = Leaf.make("epoch", NDArray.Create([Epoch], Shape.Scalar));
            _order = Evaluate.one(Rng.permutation(Count, Rng.foldIn(epoch, Rng.key(seed)))).Span<long>().ToArray();
        }
        else _order = [.. Enumerable.Range(0, Count).Select(i => (long)i)];
        _orderOf = Epoch;
        return _order;
    }

    private static NDArray Rows(NDArray array, long[] rows) =>
        Evaluate.one(Index.gather(0, Leaf.make("data", array), Leaf.make("rows", NDArray.Create(rows, new Shape([rows.Length])))));
}
