using System.Text.Json;
using System.Text.Json.Nodes;
using Diff.GradBench;
using Xunit;

namespace Diff.Tests;

/// <summary>The evals of GradBench through its protocol, against golden cases where no derivative vanishes.</summary>
public class GradBenchTests
{
    private static JsonElement Ask(object message) => JsonDocument.Parse(Protocol.Reply(JsonSerializer.Serialize(message))).RootElement;

    public static TheoryData<string> Evals => [.. Catalogue.All.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Evals))]
    public void Golden_cases_pass_through_the_protocol(string name)
    {
        Assert.True(Ask(new { id = 0, kind = "define", module = name }).GetProperty("success").GetBoolean());
        var eval = Catalogue.Find(name)!;
        foreach (var c in Golden.Cases(name))
        {
            foreach (var function in eval.Functions)
            {
                var reply = Ask(new { id = 7, kind = "evaluate", module = name, function, input = c.Input });
                Assert.True(reply.GetProperty("success").GetBoolean(), reply.ToString());
                Assert.Equal(7, reply.GetProperty("id").GetInt32());
                Assert.Null(Golden.Difference(reply.GetProperty("output"), c.Expected[function]));
                Assert.Equal(["prepare", "evaluate"], reply.GetProperty("timings").EnumerateArray().Select(t => t.GetProperty("name").GetString()).Distinct());
            }
        }
    }

    [Fact]
    public void Messages_are_answered_one_by_one()
    {
        using var output = new StringWriter();
        Protocol.Serve(new StringReader("""
            {"id":0,"kind":"start","eval":"hello"}
            {"id":1,"kind":"define","module":"hello"}
            {"id":2,"kind":"evaluate","module":"hello","function":"double","input":5.0,"description":"5"}
            {"id":3,"kind":"analysis","of":2,"valid":true}
            {"id":4,"kind":"define","module":"nonsense"}
            {"id":5,"kind":"something else"}
            """), output);
        var replies = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!).ToArray();
        Assert.Equal([0, 1, 2, 3, 4, 5], replies.Select(r => (int)r["id"]!));
        Assert.Equal("diff", (string)replies[0]["tool"]!);
        Assert.True((bool)replies[1]["success"]!);
        Assert.Equal(10, (double)replies[2]["output"]!);
        Assert.Equal("""{"id":3}""", replies[3].ToJsonString());
        Assert.False((bool)replies[4]["success"]!);
        Assert.Equal("""{"id":5}""", replies[5].ToJsonString());
    }

    [Fact]
    public void Runs_are_as_many_and_as_long_as_asked()
    {
        JsonElement[] Timings(object input) =>
            [.. Ask(new { id = 1, kind = "evaluate", module = "det", function = "gradient", input }).GetProperty("timings").EnumerateArray().Skip(1)];
        double[] a = [1, 2, 3, 4];
        Assert.Equal(5, Timings(new { A = a, ell = 2, min_runs = 5, min_seconds = 0 }).Length);
        Assert.True(Timings(new { A = a, ell = 2, min_runs = 1, min_seconds = 0.05 }).Length > 5);
    }

    [Fact]
    public void What_cannot_be_done_is_an_answer_and_no_NaN_is_written()
    {
        string Error(string module, string function, object input)
        {
            var reply = Ask(new { id = 1, kind = "evaluate", module, function, input });
            Assert.False(reply.GetProperty("success").GetBoolean());
            return reply.GetProperty("error").GetString()!;
        }
        Assert.Contains("there is no function cubed", Error("hello", "cubed", 1.0), StringComparison.Ordinal);
        Assert.Contains("there is no module x", Error("x", "cubed", 1.0), StringComparison.Ordinal);
        Assert.StartsWith("JsonException", Error("lse", "primal", new { y = 1 }), StringComparison.Ordinal);
        Assert.Contains("NaN or infinity", Error("det", "gradient", new { A = (double[])[1e300, 1e300, 1e300, 0, 1e300, 1e300, 0, 0, 1e300], ell = 3 }), StringComparison.Ordinal);
        Assert.Contains("does not end", Error("particle", "ff", new { w = -0.5 }), StringComparison.Ordinal);
    }

    [Fact]
    public void A_derivative_of_zeros_or_NaN_is_found_out()
    {
        foreach (var eval in Catalogue.All)
        {
            foreach (var c in Golden.Cases(eval.Name))
            {
                var expected = c.Expected[eval.Functions[^1]];
                Assert.NotNull(Golden.Difference(Replaced(expected, 0), expected));
                Assert.NotNull(Golden.Difference(JsonSerializer.SerializeToElement((double[])[1, 2]), expected));
            }
        }
        Assert.NotNull(Golden.Problem(new double[] { 0, 0 }, isZero: false));
        Assert.NotNull(Golden.Problem(new double[] { 1, double.NaN }, isZero: false));
        Assert.NotNull(Golden.Problem(new double[] { 1, 0 }, isZero: true));
        Assert.Null(Golden.Problem(new double[] { 1, 0 }, isZero: false));
    }

    private static JsonElement Replaced(JsonElement x, double number) => x.ValueKind switch
    {
        JsonValueKind.Object => JsonSerializer.SerializeToElement(x.EnumerateObject().ToDictionary(p => p.Name, p => Replaced(p.Value, number))),
        JsonValueKind.Array => JsonSerializer.SerializeToElement(x.EnumerateArray().Select(e => Replaced(e, number))),
        _ => JsonSerializer.SerializeToElement(number),
    };

    [Fact]
    public void Bundle_adjustment_with_cameras_and_points_that_differ()
    {
        var general = Golden.Read("ba")["general"]![0]!;
        var problem = general["input"].Deserialize<Ba.Problem>(Protocol.Strict)!;
        var expected = JsonSerializer.SerializeToElement(general["expected"]);
        var objective = Ba.Objective(problem, e => new { reproj_err = e[..12], w_err = e[12..] });
        objective.Run();
        var errors = JsonSerializer.SerializeToElement(objective.Output());
        Assert.Null(Golden.Difference(errors.GetProperty("reproj_err"), expected.GetProperty("reproj_err")));
        Assert.Null(Golden.Difference(errors.GetProperty("w_err"), expected.GetProperty("w_err")));
        var jacobian = Ba.Jacobian(problem, s => new
        {
            row_ptr = s.RowPointers.ToArray(),
            cols = s.ColumnIndices.ToArray(),
            vals = s.Values.ToArray(),
            nrows = s.Rows,
            ncols = s.Columns,
        });
        jacobian.Run();
        var sparse = JsonSerializer.SerializeToElement(jacobian.Output());
        foreach (var part in expected.GetProperty("jacobian").EnumerateObject()) Assert.Null(Golden.Difference(sparse.GetProperty(part.Name), part.Value));
    }

    [Fact]
    public void The_loops_of_particle_and_saddle_have_the_derivatives_of_complex_steps()
    {
        var gradient = new double[1];
        foreach (var probe in Golden.Read("particle")["cases"]![0]!["probes"]!.AsArray())
        {
            foreach (var (_, outer, inner) in GradBench.Descent.Modes)
            {
                var path = GradBench.Descent.Gradient(outer, new Particle.Path(inner), [(double)probe!["w"]!], gradient);
                Assert.Equal((double)probe["path"]!, path, 1e-9 * Math.Abs(path));
                Assert.Equal((double)probe["dpath_dw"]!, gradient[0], 1e-9 * Math.Abs(gradient[0]));
            }
        }
        foreach (var probe in Golden.Read("saddle")["cases"]![0]!["probes"]!.AsArray())
        {
            var x = probe!["x"].Deserialize<double[]>()!;
            foreach (var (_, outer, inner) in GradBench.Descent.Modes)
            {
                var slopes = new double[2];
                var best = GradBench.Descent.Gradient(outer, new Saddle.Outer(inner, [1, 1]), x, slopes);
                Assert.Equal((double)probe["max_y_f"]!, best, 1e-8);
                Assert.Equal(probe["gradient_x"].Deserialize<double[]>()!, slopes, (a, b) => Math.Abs(a - b) <= 1e-8);
            }
        }
    }

    [Theory]
    [InlineData("ode", true)]
    [InlineData("kmeans", true)]
    [InlineData("hello", false)]
    public void Default_sizes_where_the_derivative_vanishes_are_known(string name, bool some) =>
        Assert.Equal(some, Catalogue.Find(name)!.Workloads().Any(w => w.IsZero));
}
