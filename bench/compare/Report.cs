using System.Globalization;
using System.Text;

namespace Diff.Comparing;

/// <summary>All rounds of one workload: what each side said, and how busy the machine was before each.</summary>
internal sealed class Row(string workload)
{
    private const double Disturbed = 2;
    private readonly Dictionary<string, List<Result>> _results = [];

    public string Workload => workload;

    /// <summary>Before each round: busy processors and load average.</summary>
    public List<(double Busy, double Load)> Before { get; } = [];

    public void Add(Side side, Result result)
    {
        if (!_results.TryGetValue(side.Label, out var results)) _results[side.Label] = results = [];
        results.Add(result);
    }

    private List<Result> Of(Side side) => _results.GetValueOrDefault(side.Label, []);

    /// <summary>The best round's median, if there was one.</summary>
    public double? Best(Side? side) => side is null ? null : Of(side).Min(r => (double?)r.Median);

    public double? FirstCall(Side side) => Of(side).Min(r => r.FirstCall);

    /// <summary>The best rate, and its unit.</summary>
    public (double Rate, string? Unit)? Rate(Side side) =>
        Of(side).Where(r => r.Rate is not null).MaxBy(r => r.Rate) is { } r ? (r.Rate!.Value, r.Unit) : null;

    /// <summary>Whether a side's rounds differ so much that something else must have been at work.</summary>
    public bool IsDisturbed(Side side) => Of(side) is { Count: > 1 } results && results.Max(r => r.Median) > Disturbed * results.Min(r => r.Median);
}

/// <summary>The table, in markdown.</summary>
internal sealed class Report(Side ours, IReadOnlyList<Side> peers, Side? limit, string heading)
{
    /// <summary>The rows so far.</summary>
    public List<Row> Rows { get; } = [];

    /// <summary>The machine's rates, each a row of its own.</summary>
    public List<Row> Rates { get; } = [];

    /// <summary>What went wrong, each once.</summary>
    public List<string> Notes { get; } = [];

    public override string ToString()
    {
        var text = new StringBuilder(heading + "\n\n");
        var rates = Rates.Where(r => limit is not null && r.Rate(limit) is not null).Select(r => (r.Workload, Rate: r.Rate(limit!)!.Value)).ToArray();
        var words = string.Join(", ", rates.Select(r => $"{r.Workload} {Number(r.Rate.Rate)} {r.Rate.Unit}"));
        if (rates.Length > 0) text.Append($"Rates of the machine: {words}.\n\n");

        List<string> head = ["workload", $"{ours.Label} µs", .. peers.Select(p => $"{p.Label} µs")];
        if (peers.Count > 0) head.Add($"best peer ÷ {ours.Label}");
        if (limit is not null) head.AddRange([$"{limit.Label} µs", $"{ours.Label} ÷ {limit.Label}"]);
        head.Add($"{ours.Label} first ms");
        head.AddRange(peers.Select(p => $"{p.Label} first ms"));
        head.Add("busy (load) before");
        Line(text, head);
        Line(text, ["---", .. head.Skip(1).Select(_ => "---:")]);
        foreach (var row in Rows) Line(text, Cells(row));

        if (Rows.Any(r => Sides.Any(r.IsDisturbed)))
            text.Append("\n`*` disturbed: the rounds of that side differ by more than a factor of 2. The best one counts; do not quote the ratio.\n");
        if (Notes.Count > 0) text.Append("\nWhat went wrong:\n\n");
        foreach (var note in Notes) text.Append($"- {note}\n");
        return text.ToString();
    }

    private IEnumerable<Side> Sides => limit is null ? [ours, .. peers] : [ours, .. peers, limit];

    private List<string> Cells(Row row)
    {
        var best = peers.Where(p => row.Best(p) is not null).MinBy(row.Best);
        List<string> cells = [$"`{row.Workload}`", Time(row, ours), .. peers.Select(p => Time(row, p))];
        if (peers.Count > 0) cells.Add(Ratio(row, best, ours));
        if (limit is not null) cells.AddRange([Time(row, limit), Ratio(row, ours, limit)]);
        cells.Add(Number(row.FirstCall(ours)));
        cells.AddRange(peers.Select(p => Number(row.FirstCall(p))));
        cells.Add(string.Join(", ", row.Before.Select(b => Before(b.Busy, b.Load))));
        return cells;
    }

    private static string Before(double busy, double load) =>
        double.IsNaN(busy) ? "–" : string.Create(CultureInfo.InvariantCulture, $"{busy:0.00} ({load:0.00})");

    private static string Time(Row row, Side side) => Number(row.Best(side)) + (row.IsDisturbed(side) ? " *" : "");

    private static string Ratio(Row row, Side? above, Side below) =>
        row.Best(above) is { } a && row.Best(below) is { } b
            ? Number(a / b) + (row.IsDisturbed(above!) || row.IsDisturbed(below) ? " *" : "")
            : "–";

    /// <summary>Three digits or more.</summary>
    public static string Number(double? x) =>
        x is not { } n ? "–" : n.ToString(n < 0.1 ? "0.0000" : n < 10 ? "N2" : n < 100 ? "N1" : "N0", CultureInfo.InvariantCulture);

    private static void Line(StringBuilder text, IEnumerable<string> cells) => text.Append($"| {string.Join(" | ", cells)} |\n");
}
