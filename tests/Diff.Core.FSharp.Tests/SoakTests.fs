/// What shows after a while or under load, with small numbers; the full ones are the fuzzer's command "soak".
module SoakTests

open Xunit
open Diff.Fuzz

let private megabyte = 1L <<< 20

// Other tests run meanwhile, and what they hold counts too: these come alone.
[<CollectionDefinition("alone", DisableParallelization = true)>]
type Alone() = class end

[<Collection "alone">]
type Tests() =
    [<Fact>]
    member _.``steps of training do not hold memory``() =
        let grown = Soak.train 6000 1000
        Assert.True(grown.Managed < Soak.MostGrowth, $"live objects grew by {grown.Managed} bytes")
        Assert.True(grown.WorkingSet < 48L * megabyte, $"the process grew by {grown.WorkingSet} bytes")

    [<Fact>]
    member _.``functions that were compiled and dropped do not stay``() =
        let grown = Soak.compile 500
        Assert.True(grown.Managed < 20L * megabyte, $"live objects grew by {grown.Managed} bytes")
        Assert.True(grown.WorkingSet < 100L * megabyte, $"the process grew by {grown.WorkingSet} bytes")

    [<Fact>]
    member _.``sixteen threads that differentiate and evaluate at once get the bits that one gets``() =
        Assert.Empty(Soak.together 16 40)

    [<Fact>]
    member _.``large graphs give the same bits on 1, 2, 4 and 7 threads``() = Assert.Empty(Soak.threads 60)

    [<Fact>]
    member _.``the command fails when memory grows beyond its bound, and says so``() =
        let grown bytes : (string * Soak.Memory) list =
            [ "a", { Managed = bytes; WorkingSet = 0L } ]
        let lines, isFine = Soak.verdict (grown Soak.MostGrowth) []
        Assert.True isFine
        Assert.DoesNotContain("allowed", lines.Head)
        let lines, isFine = Soak.verdict (grown (Soak.MostGrowth + 1L)) []
        Assert.False isFine
        Assert.Contains("at most 8.0 MB of live objects are allowed", lines.Head)
        Assert.False(snd (Soak.verdict (grown 0L) [ "graph 3" ]))
