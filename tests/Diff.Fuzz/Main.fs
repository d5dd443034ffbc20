/// The fuzzer from the command line: see docs/testing.md.
module Diff.Fuzz.Main

open System
open Diff.Fuzz.Run

let private usage =
    """usage: Diff.Fuzz [--graphs N] [--seed S] [--first K] [--seconds T] [--workers W] [--stop] [--corpus FOLDER]
  --graphs   how many graphs (20000)
  --seed     what all is drawn from (1)
  --first    the number of the first graph, to repeat one (0)
  --seconds  the longest time
  --workers  how many graphs at a time (as many as processors)
  --stop     stop at the first failure, do not shrink it
  --corpus   where failing programs are written, as small as they get
  --digest   print a hash of all results instead
or: Diff.Fuzz faults [--only 1,2,…] [--graphs N], in the root of the repository: tries the faults of tests/faults/faults.json
or: Diff.Fuzz soak: memory over 100,000 steps and 10,000 compilations, live objects growing by 8 MB at most; bits on many threads
Exit code: 0 when nothing failed, 1 when something did, 2 for wrong arguments."""

let rec private parse
    (request: Request)
    (corpus: string option)
    (args: string list)
    : Result<Request * string option, string> =
    match args with
    | [] -> Ok(request, corpus)
    | "--graphs" :: n :: rest -> parse { request with Graphs = int64 n } corpus rest
    | "--seed" :: s :: rest -> parse { request with Seed = uint64 s } corpus rest
    | "--first" :: k :: rest -> parse { request with First = int64 k } corpus rest
    | "--seconds" :: t :: rest ->
        parse
            { request with
                Time = TimeSpan.FromSeconds(float t) }
            corpus
            rest
    | "--workers" :: w :: rest -> parse { request with Workers = int w } corpus rest
    | "--stop" :: rest -> parse { request with StopsAtFailure = true } corpus rest
    | "--corpus" :: folder :: rest -> parse request (Some folder) rest
    | other :: _ -> Error other

let private faults (args: string list) : int =
    let rec parse only graphs args =
        match args with
        | "--only" :: (ids: string) :: rest -> parse (Set(ids.Split(',') |> Seq.map int)) graphs rest
        | "--graphs" :: n :: rest -> parse only (int n) rest
        | [] -> only, graphs
        | other :: _ -> failwith $"faults: {other}?\n{usage}"
    let only, graphs = parse Set.empty 20_000 args
    min 1 (Faults.run "." "tests/faults/faults.json" only graphs 1UL)

let private soak () : int =
    let grown =
        [ "100,000 steps of training, from step 1,000 on", Soak.train 100_000 1000
          "10,000 functions compiled, run once and dropped, from the first 1,000 on", Soak.compile 10_000 ]
    // 16 at once, and 1,000 large graphs on 1, 2, 4 and 7.
    let lines, isFine = Soak.verdict grown (Soak.together 16 200 @ Soak.threads 1000)
    for line in lines do
        printfn $"{line}"
    if isFine then 0 else 1

let private graphs (argv: string[]) : int =
    let wantsDigest = Array.contains "--digest" argv
    match parse Request.Default None (argv |> Array.filter ((<>) "--digest") |> List.ofArray) with
    | Error what ->
        eprintfn $"{what}\n{usage}"
        2
    | Ok(request, _) when wantsDigest ->
        let programs =
            seq {
                for k in request.First .. request.First + request.Graphs - 1L ->
                    Growth.program (seedOf request.Seed k)
            }
        printfn $"{digest programs}"
        0
    | Ok(request, corpus) ->
        let report = run request
        printfn $"{describe report}"
        match corpus with
        | Some folder ->
            for case in List.choose caseOfFailure report.Failures do
                printfn $"written: {CaseFile.save folder case}"
        | None -> ()
        if report.Failures.IsEmpty then 0 else 1

[<EntryPoint>]
let main argv =
    match List.ofArray argv with
    | "faults" :: rest -> faults rest
    | [ "soak" ] -> soak ()
    | _ -> graphs argv
