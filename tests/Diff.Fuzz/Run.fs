/// Runs of many graphs on several threads, with what is worth knowing about them.
module Diff.Fuzz.Run

open System
open System.Collections.Concurrent
open System.Collections.Generic
open System.Diagnostics
open System.Reflection
open System.Security.Cryptography
open System.Text
open System.Threading
open FSharp.Reflection
open Diff

/// What to run.
type Request =
    {
        Seed: uint64
        /// The number of the first graph.
        First: int64
        Graphs: int64
        /// The longest time, however many graphs are left.
        Time: TimeSpan
        Workers: int
        /// Whether to stop at the first failure, and not to shrink it.
        StopsAtFailure: bool
        /// How many trials a shrinking may take.
        Trials: int
    }

    static member Default =
        { Seed = 1UL
          First = 0L
          Graphs = 20_000L
          Time = TimeSpan.MaxValue
          Workers = Environment.ProcessorCount
          StopsAtFailure = false
          Trials = 2000 }

/// A graph that failed.
type Failure =
    {
        Number: int64
        Seed: uint64
        Oracle: string
        Detail: string
        /// None where it could not be grown.
        Program: GraphProgram voption
    }

/// Counts of one worker, added up at the end.
[<Sealed>]
type private Counts() =
    let table = Dictionary<string, int64>()
    member _.Table = table
    member _.Add(key: string, n: int64) =
        table[key] <-
            n
            + (match table.TryGetValue key with
               | true, known -> known
               | _ -> 0L)
    member this.AddAll(other: Counts) =
        for pair in other.Table do
            this.Add(pair.Key, pair.Value)

/// What a run found.
type Report =
    {
        Request: Request
        Tried: int64
        Failures: Failure list
        /// Graphs by kind.
        Kinds: IReadOnlyDictionary<string, int64>
        /// Graphs of which not every oracle could be asked, by reason.
        Skipped: IReadOnlyDictionary<string, int64>
        /// Graphs in which each word of the vocabulary occurs.
        Words: IReadOnlyDictionary<string, int64>
        /// Operations that an operation's value went to.
        Pairs: IReadOnlyDictionary<string, int64>
        /// How often each oracle was asked, and its largest error in parts of what it allows.
        Oracles: IReadOnlyDictionary<string, struct (int64 * float)>
        Elapsed: TimeSpan
    }

    member r.Rate = float r.Tried / r.Elapsed.TotalSeconds

let private flags = BindingFlags.NonPublic ||| BindingFlags.Public

let private nameOfCase (x: obj) (t: Type) =
    (FSharpValue.GetUnionFields(x, t, flags) |> fst).Name

let private wordOfFn =
    let table = Dictionary<Fn, string>()
    for fn in Fn.all do
        table[fn] <- "Fn." + nameOfCase fn typeof<Fn>
    table

let private wordOfOp =
    let reader = FSharpValue.PreComputeUnionTagReader(typeof<Op>, flags)
    let names =
        FSharpType.GetUnionCases(typeof<Op>, flags)
        |> Array.map (fun c -> "Op." + c.Name)
    fun (op: Op) -> names[reader op]

/// Every word of the vocabulary, by reflection.
let words: string list =
    [ for case in FSharpType.GetUnionCases(typeof<Op>, flags) do
          if case.Name <> "Elementwise" then
              yield "Op." + case.Name
      for fn in Fn.all do
          yield wordOfFn[fn] ]

let private wordOf (e: Expr) =
    match e.Op with
    | Op.Elementwise fn -> wordOfFn[fn]
    | op -> wordOfOp op

let private countWords (words: Counts) (pairs: Counts) (p: GraphProgram) =
    let b =
        GraphProgram.buildWith Table.meaning DType.Float32 (fun _ v -> variableOf "" v) p
    let nodes = Graph.topological b.Outputs
    for word in nodes |> Seq.map wordOf |> Seq.distinct do
        words.Add(word, 1L)
    for s in p.Steps do
        for a in s.Args do
            if a >= p.Leaves.Length then
                pairs.Add(p.Steps[a - p.Leaves.Length].Op + " → " + s.Op, 1L)

/// The seed of a graph of a run.
let seedOf (seed: uint64) (number: int64) : uint64 = SplitMix.Derive(seed, uint64 number)

/// Grows and judges one graph.
let one (seed: uint64) (note: Recorder) : struct (GraphProgram voption * Judge.Verdict) =
    try
        let program = Growth.program seed
        struct (ValueSome program, Judge.judge None note seed program)
    with e ->
        // A step that should have been allowed was refused, or the reference failed.
        struct (ValueNone, Judge.Disagrees("growth", string e))

/// Runs graphs until there are enough, time is up, or one fails where that is the end.
let run (request: Request) : Report =
    let clock = Stopwatch.StartNew()
    let failures = ConcurrentQueue<Failure>()
    let mutable next = request.First
    let mutable stopped = false
    let results =
        ConcurrentBag<struct (int64 * Counts * Counts * Counts * Counts * Counts * Dictionary<string, float>)>()
    let work () =
        let kinds, skips, words, pairs, asked =
            Counts(), Counts(), Counts(), Counts(), Counts()
        let errors = Dictionary<string, float>()
        let mutable tried = 0L
        let mutable isDone = false
        while not isDone do
            let number = Interlocked.Increment(&next) - 1L
            if
                number >= request.First + request.Graphs
                || Volatile.Read &stopped
                || clock.Elapsed > request.Time
            then
                isDone <- true
            else
                let seed = seedOf request.Seed number
                let note = Recorder()
                let struct (program, verdict) = one seed note
                tried <- tried + 1L
                kinds.Add(string (Growth.kindOf seed), 1L)
                for reason in note.Skips do
                    skips.Add(reason, 1L)
                for pair in note.Errors do
                    asked.Add(pair.Key, 1L)
                    errors[pair.Key] <-
                        match errors.TryGetValue pair.Key with
                        | true, known -> max known pair.Value
                        | _ -> pair.Value
                match program with
                | ValueSome p -> countWords words pairs p
                | ValueNone -> ()
                match verdict with
                | Judge.Agrees -> ()
                | Judge.Disagrees(oracle, detail) ->
                    if request.StopsAtFailure then
                        Volatile.Write(&stopped, true)
                    let struct (least, detail) =
                        match program with
                        | ValueSome p when not request.StopsAtFailure && failures.Count < 10 ->
                            match Shrink.shrink request.Trials oracle seed p with
                            | ValueSome(struct (least, detail)) -> struct (ValueSome least, detail)
                            | ValueNone -> struct (program, detail)
                        | _ -> struct (program, detail)
                    failures.Enqueue
                        { Number = number
                          Seed = seed
                          Oracle = oracle
                          Detail = detail
                          Program = least }
        results.Add(struct (tried, kinds, skips, words, pairs, asked, errors))
    let threads = [ for _ in 1 .. max 1 request.Workers -> Thread(work, 16 <<< 20) ]
    for t in threads do
        t.Start()
    for t in threads do
        t.Join()
    let kinds, skips, words, pairs, asked =
        Counts(), Counts(), Counts(), Counts(), Counts()
    let errors = Dictionary<string, float>()
    let mutable tried = 0L
    for struct (n, k, s, w, p, a, e) in results do
        tried <- tried + n
        kinds.AddAll k
        skips.AddAll s
        words.AddAll w
        pairs.AddAll p
        asked.AddAll a
        for pair in e do
            errors[pair.Key] <-
                match errors.TryGetValue pair.Key with
                | true, known -> max known pair.Value
                | _ -> pair.Value
    { Request = request
      Tried = tried
      Failures = failures |> Seq.sortBy _.Number |> List.ofSeq
      Kinds = kinds.Table
      Skipped = skips.Table
      Words = words.Table
      Pairs = pairs.Table
      Oracles =
        asked.Table
        |> Seq.map (fun p -> KeyValuePair(p.Key, struct (p.Value, errors[p.Key])))
        |> Dictionary
      Elapsed = clock.Elapsed }

/// A hash of the bits that programs and their derivatives compute, as any caller would compute them.
let digest (programs: GraphProgram seq) : string =
    use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
    for p in programs do
        let s = Subject(p, 1UL)
        for value in Evaluate.many (s.Roots(s.Own, Order.First)) do
            hash.AppendData(Span.op_Implicit (Arrays.bytesOf value): ReadOnlySpan<byte>)
    Convert.ToHexString(hash.GetHashAndReset())

/// What the reference says of a program: the value of its first output, the gradient of its sum, and how far from them rounding may lead.
/// None where the order of evaluation may matter: not all is finite, or rounded numbers are compared.
let expectation (p: GraphProgram) (seed: uint64) : struct (NDArray * (int * NDArray) list * float) voption =
    let s = Subject(p, seed)
    let order = if s.Derives then Order.First else Order.Values
    let b = s.Precise
    let y = b.Outputs[0]
    let gradient =
        if s.Derives then
            Gradient.grad Unconnected.Zeros (sum y) b.Floats
        else
            [||]
    let struct (_, rounding) = Oracles.expected s order
    let values = Reference.evaluate (Array.append [| y |] gradient)
    if
        rounding.IsFinite
        && Array.forall Arrays.isFinite values
        && (Scan.of' s).IsRobust
    then
        // The loss is a weighted mean of the output, the sum may be larger.
        let tolerance =
            sqrt (float (max 1 y.Shape.Length)) * Array.max rounding.Allowed
            + 1e-11 * Arrays.largest values
        ValueSome(
            struct (values[0], [ for k, leaf in Seq.indexed b.FloatLeaves -> leaf, values[k + 1] ], tolerance)
        )
    else
        ValueNone

/// The case that a program is kept as. Where derivatives are in doubt, what is expected is the value alone.
let caseOf (id: string) (oracle: string) (seed: uint64) (p: GraphProgram) : CaseFile.Case =
    let case: CaseFile.Case =
        { Id = id
          Program = p
          Seed = seed
          Oracle = oracle
          Value = None
          Gradient = []
          Tolerance = 1e-9 }
    let engine =
        [ "value"
          "gradient"
          "second"
          "simplify"
          "lower"
          "scalar"
          "threads"
          "compiled"
          "repeat" ]
    let expected =
        try
            expectation p seed
        with _ ->
            ValueNone
    match expected with
    | ValueNone -> case
    | ValueSome(struct (value, gradient, tolerance)) ->
        { case with
            Value = Some value
            Gradient = if List.contains oracle engine then gradient else []
            Tolerance = tolerance }

/// The case that a failure is kept as, if it has a program.
let caseOfFailure (f: Failure) : CaseFile.Case option =
    match f.Program with
    | ValueSome p -> Some(caseOf $"{f.Oracle.Replace(' ', '-')}-{f.Seed:x16}" f.Oracle f.Seed p)
    | ValueNone -> None

/// A program in lines.
let listing (p: GraphProgram) : string =
    let attr (name, value) =
        match value with
        | All -> $"{name}=all"
        | Flag f -> $"{name}={f}"
        | Int i -> $"{name}={i}"
        | Ints xs -> $"""{name}=[{String.Join(" ", xs)}]"""
        | Real x -> $"{name}={x:R}"
        | Text t -> $"{name}={t}"
        | Bounds bounds ->
            let bound = Option.map string >> Option.defaultValue ""
            let parts =
                [ for start, stop, step in bounds -> $"{bound start}:{bound stop}:{step}" ]
            $"""{name}=[{String.Join(" ", parts)}]"""
        | Filled(dims, v) -> $"""{name}={v:R} of [{String.Join(" ", dims)}]"""
    let text = StringBuilder()
    p.Leaves
    |> Array.iteri (fun i l ->
        let kind = if l.IsConstant then " constant" else ""
        text.AppendLine $"  {i}: {Arrays.text l.Value}{kind}" |> ignore)
    p.Steps
    |> Array.iteri (fun k s ->
        let args = String.Join(" ", s.Args)
        let attrs = String.Join(" ", List.map attr s.Attrs)
        text.AppendLine $"  {p.Leaves.Length + k}: {s.Op} {args} {attrs}" |> ignore)
    text.AppendLine $"""  outputs {String.Join(" ", p.Outputs)}""" |> ignore
    string text

/// A report in words.
let describe (r: Report) : string =
    let text = StringBuilder()
    let line (s: string) = text.AppendLine s |> ignore
    line
        $"{r.Tried} graphs of seed {r.Request.Seed} in {r.Elapsed.TotalSeconds:F1} s: {r.Rate:F0} a second on {r.Request.Workers} workers; {r.Failures.Length} failures"
    let table title (entries: (string * string) seq) =
        let shown = String.Join(", ", entries |> Seq.map (fun (k, v) -> $"{k} {v}"))
        line $"{title}: {shown}"
    let counts (d: IReadOnlyDictionary<string, int64>) =
        d |> Seq.sortByDescending _.Value |> Seq.map (fun p -> p.Key, string p.Value)
    table "kinds" (counts r.Kinds)
    table "not all asked" (counts r.Skipped)
    table
        "oracles, how often asked and the largest error in parts of what is allowed"
        (r.Oracles
         |> Seq.sortByDescending (fun p -> let struct (n, _) = p.Value in n)
         |> Seq.map (fun p -> let struct (n, e) = p.Value in p.Key, $"{n} ({e:G2})"))
    table "graphs with each word" (counts r.Words)
    let operations = Table.all.Length
    line $"pairs of operations that followed one another: {r.Pairs.Count} of {operations * operations}"
    for f in r.Failures |> List.truncate 10 do
        line $"graph {f.Number}, seed {f.Seed:x16}, oracle {f.Oracle}: {f.Detail}"
        match f.Program with
        | ValueSome p when p.Count < 60 -> line (listing p)
        | _ -> ()
    string text
