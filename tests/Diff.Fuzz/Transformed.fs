/// The same numbers by another way: leaves arranged otherwise, several runs at once, in parts, from a file, beside other work; and what
/// sums, norms and normalisations of a graph's value must be whatever the graph is.
module internal Diff.Fuzz.Transformed

open System
open System.IO
open Diff
open Diff.Kernels
open Diff.Fuzz.Arrays

let values (roots: Expr[]) : NDArray[] =
    (Oracles.planOf Tier.Tiles (Planner.prepare roots)).Run [||]

/// Values, and the largest number on the way by the reference.
let scaleOf (roots: Expr[]) : float =
    largest (Reference.evaluate (Graph.topological (Control.inlineAll roots)))

let near (note: Recorder) oracle allowed (expected: NDArray[]) (actual: NDArray[]) =
    Array.iteri2 (fun k e a -> note.Compare(oracle, allowed, $"leaf {k}", e, a)) expected actual

/// The graph with other leaves in the places of those that derivatives are taken with respect to.
let rebuilt (s: Subject) (b: Built) (leaf: int -> Expr) : Built =
    let at = b.FloatLeaves |> Array.mapi (fun k leaf -> leaf, k) |> dict
    GraphProgram.buildWith
        Table.meaning
        DType.Float64
        (fun i value ->
            match at.TryGetValue i with
            | true, k -> leaf k
            | _ -> variableOf "" value)
        s.Program

// ---- Arranged otherwise -----------------------------------------------------------------------------------------------------

/// Other arrays for one, and the way back: axes turned round, zeros around, two parts, rows in another order.
let private arrangement (r: SplitMix) (x: Expr) : struct (Expr[] * (Expr[] -> Expr)) =
    let leaf (e: Expr) = variableOf "t" (eval e)
    match r.Below 4 with
    | 1 when x.Rank > 0 ->
        let before = Array.init x.Rank (fun _ -> r.Below 3)
        let steps = Array.init x.Rank (fun _ -> r.Between(1, 2))
        let padded =
            Array.init x.Rank (fun a -> before[a] + max 0 (x.Shape[a] - 1) * steps[a] + 1 + r.Below 3)
        let through (t: Expr[]) =
            Window.embed before steps (Shape padded) t[0]
            |> Window.slice before steps x.Shape
        struct ([| leaf x |], through)
    | 2 when x.Rank > 0 ->
        let axis = r.Below x.Rank
        let cut = r.Between(0, x.Shape[axis])
        let parts = [| slice axis None (Some cut) 1 x; slice axis (Some cut) None 1 x |]
        struct (Array.map leaf parts, List.ofArray >> concat axis)
    | 3 when x.Rank > 0 && x.Shape[0] > 0 ->
        let order = r.Shuffle [| 0 .. x.Shape[0] - 1 |]
        let back = Array.init order.Length (fun i -> Array.findIndex ((=) i) order)
        let rows (order: int[]) =
            constant (NDArray.Create(order, Shape [| order.Length |]))
        struct ([| leaf (gather 0 (rows back) x) |], (fun t -> gather 0 (rows order) t[0]))
    | _ -> struct ([| leaf (transpose x) |], (fun t -> transpose t[0]))

/// Leaves made of others that hold the same numbers elsewhere: the gradients lie there too.
let arranged (s: Subject) (b: Built) (note: Recorder) scale expected =
    let r = s.Random 18UL
    let places = b.Floats |> Array.map (arrangement r)
    let other =
        rebuilt s b (fun k -> let struct (inner, back) = places[k] in back inner)
    let inner = places |> Array.collect (fun (struct (inner, _)) -> inner)
    let gradients = Gradient.grad Unconnected.Zeros (s.Loss other) inner
    let mutable from = 0
    let whole =
        places
        |> Array.map (fun (struct (inner, back)) ->
            from <- from + inner.Length
            back gradients[from - inner.Length .. from - 1])
    near note "arranged" (1e-11 * scale) expected (values whole)

// ---- Several runs -------------------------------------------------------------------------------------------------------------

/// The program with three quarters of the numbers of some leaves; none where its graph is not as tame.
let private moved (s: Subject) (isMoved: int -> bool) : Subject voption =
    let shrunk i (l: Leaf) =
        if GraphProgram.isDifferentiable l && isMoved i then
            { l with
                Value = ofFloats l.Value.DType l.Value.Shape (floats l.Value |> Array.map ((*) 0.75)) }
        else
            l
    let other =
        Subject(
            { s.Program with
                Leaves = Array.mapi shrunk s.Program.Leaves },
            s.Seed
        )
    let scan = Scan.of' other
    if scan.IsRobust && scan.IsFinite && scan.Kink > 1e-9 then
        ValueSome other
    else
        ValueNone

let private stack (xs: NDArray list) : NDArray =
    let dims = dimsOf xs.Head.Shape
    ofFloats xs.Head.DType (shapeOf (xs.Length :: dims)) (xs |> Seq.map floats |> Array.concat)

/// Two runs at once are the two runs, one on the other.
let stacked (s: Subject) (b: Built) (note: Recorder) scale =
    match moved s (fun _ -> true) with
    | ValueNone -> note.Skip "other numbers are near a kink"
    | ValueSome other ->
        let roots (b: Built) = Array.append b.Outputs (s.Gradient b)
        let second = roots other.Precise
        let scale = max scale (scaleOf second)
        if scale < 1e12 then
            let both =
                Array.map2 (fun x y -> constant (stack [ eval x; eval y ])) b.Floats other.Precise.Floats
            let together =
                Vectorization.vmapAxes
                    (Array.create both.Length (Nullable 0))
                    0
                    (Func<_, _>(fun xs -> roots (rebuilt s b (fun k -> xs[k]))))
                    both
            let alone =
                Array.map2 (fun x y -> stack [ x; y ]) (values (roots b)) (values second)
            near note "stacked" (1e-11 * scale) alone (values together)

/// The gradient of a sum over a batch is the sum of the gradients of its parts: one leaf holds the data, the others are shared.
let inParts (s: Subject) (b: Built) (note: Recorder) =
    let data = (s.Random 16UL).Below b.Floats.Length
    match moved s (fun i -> i = b.FloatLeaves[data]) with
    | _ when b.Floats.Length < 2 -> ()
    | ValueNone -> note.Skip "other numbers are near a kink"
    | ValueSome other ->
        let shared = Array.removeAt data b.Floats
        let loss (x: Expr) =
            s.Loss(rebuilt s b (fun k -> if k = data then x else b.Floats[k]))
        let examples = [| b.Floats[data]; constant (eval other.Precise.Floats[data]) |]
        let batch = constant (stack [ for x in examples -> eval x ])
        let losses =
            Vectorization.vmapAxes [| Nullable 0 |] 0 (Func<_, _>(fun xs -> [| loss xs[0] |])) [| batch |]
        let whole = Gradient.grad Unconnected.Zeros (sum losses[0]) shared
        let parts =
            examples
            |> Array.map (fun x -> Gradient.grad Unconnected.Zeros (loss x) shared)
            |> Array.reduce (Array.map2 (+))
        let scale = scaleOf parts
        if scale < 1e12 then
            near note "parts" (1e-11 * scale) (values parts) (values whole)

/// What is computed beside a graph does not change it.
let accompanied (s: Subject) (b: Built) (note: Recorder) scale =
    let r = s.Random 19UL
    let roots = Array.append b.Outputs (s.Gradient b)
    let beside =
        b.Nodes
        |> Array.filter (fun n -> isFloat n.DType && r.Chance 0.4)
        |> Array.truncate 5
        |> Array.map (fun n -> tanh n * n + 1.0)
    let together = values (Array.append roots beside)
    near note "dead code" (1e-11 * scale) (values roots) together[.. roots.Length - 1]

/// Written as an ONNX model and read again.
let filed (s: Subject) (b: Built) (note: Recorder) scale =
    let given =
        [| for i in 0 .. s.Program.Leaves.Length - 1 do
               if not s.Program.Leaves[i].IsConstant then
                   b.Nodes[i] |]
    let model =
        try
            Exporter.run given (b.Outputs |> Array.mapi (fun k y -> $"y{k}", y))
            |> ValueSome
        with :? NotSupportedException ->
            ValueNone
    match model with
    | ValueNone -> note.Skip "a word that ONNX does not have"
    | ValueSome write ->
        let path = Path.GetTempFileName()
        try
            use stream = new MemoryStream()
            write.Invoke stream
            File.WriteAllBytes(path, stream.ToArray())
            near note "file" (1e-9 * scale) (values b.Outputs) (values ((Onnx.Load path).Apply given))
        finally
            File.Delete path

// ---- What the value of a graph is made into -----------------------------------------------------------------------------------------

/// Softmax and normalisations do not notice a number added to all of a row, and probabilities sum to 1.
let shifted (s: Subject) (b: Built) (note: Recorder) scale =
    let y = b.Outputs[0]
    if y.Rank > 0 && y.Shape.Length > 0 then
        let last = y.Shape[y.Rank - 1]
        let rows = dimsOf y.Shape |> List.updateAt (y.Rank - 1) 1
        let c = variableOf "c" (NDArray.Zeros(DType.Float64, shapeOf rows))
        let moved = y + c
        let still = NDArray.Zeros(DType.Float64, shapeOf rows)
        let targets = softmax -1 (constant (s.Numbers(17UL, y)))
        for f in
            [ softmax -1
              logSoftmax -1
              layerNorm 1e-3
              (fun logits -> crossEntropyOfDistributions logits targets) ] do
            let result = f moved
            let g =
                Gradient.vjp Unconnected.Zeros result (constant (s.Numbers(20UL, result))) [| c |]
            near note "shifted" (1e-10 * scale) [| still |] (values g)
        let total = sumOver [ -1 ] (softmax -1 y)
        let one = NDArray.Create(Array.create total.Shape.Length 1.0, total.Shape)
        near note "shifted" (1e-15 * float (4 + last)) [| one |] (values [| total |])

/// ⟨x, ∇f(x)⟩ = k·f(x) for f of degree k: the derivative of f(t·y) at t = 1 (Euler).
let homogeneous (s: Subject) (b: Built) (note: Recorder) =
    let y = b.Outputs[0]
    let n = y.Shape.Length
    if n > 0 && n <= 5000 then
        let t = variableOf "t" (NDArray.Create([| 1.0 |], Shape.Scalar))
        let z = reshape [ n ] (t * y)
        let numbers = floats (eval y)
        let size = numbers |> Array.sumBy abs
        for degree, f in
            [ 1, frobeniusNorm [ z ]
              1, reduceMax z
              // Of equal numbers rounding alone is left.
              if Array.max numbers - Array.min numbers > 1e-4 * size then
                  1, std 0 z
              2, sum (z * z)
              2, einsum "a,b->" [ z; z ]
              if n <= 6 then
                  n, prod z ] do
            let slope = Gradient.grad Unconnected.Zeros f [| t |]
            let all = values [| float degree * f; slope[0] |]
            let allowed = 1e-11 * Math.Pow(1.0 + size, float degree)
            note.Compare("homogeneous", allowed, $"degree {degree}", all[0], all[1])

/// Sums of products by their definition: every index of every label.
let private naive (notation: string) (operands: NDArray[]) : float[] voption =
    let parts = notation.Split "->"
    let inputs, output = parts[0].Split ',', parts[1]
    let extents = Collections.Generic.SortedDictionary<char, int>()
    Array.iter2
        (fun (labels: string) (x: NDArray) -> labels |> Seq.iteri (fun a c -> extents[c] <- x.Shape[a]))
        inputs
        operands
    let labels = Array.ofSeq extents.Keys
    if
        extents.Values |> Seq.fold (fun n d -> n * int64 d) 1L > 50_000L
        || output |> Seq.exists (fun c -> not (extents.ContainsKey c))
    then
        ValueNone
    else
        let index = Collections.Generic.Dictionary<char, int>()
        let offset (labels: string) =
            labels |> Seq.fold (fun at c -> at * extents[c] + index[c]) 0
        let result = Array.zeroCreate (output |> Seq.fold (fun n c -> n * extents[c]) 1)
        let rec along (k: int) =
            if k = labels.Length then
                let product =
                    Array.fold2
                        (fun p (labels: string) (x: NDArray) -> p * x.Float(offset labels))
                        1.0
                        inputs
                        operands
                let at = offset output
                result[at] <- result[at] + product
            else
                for i in 0 .. extents[labels[k]] - 1 do
                    index[labels[k]] <- i
                    along (k + 1)
        along 0
        ValueSome result

/// Every contraction of a graph against loops over all its labels.
let contracted (s: Subject) (b: Built) (note: Recorder) =
    s.Program.Steps
    |> Array.iteri (fun k step ->
        match step.Op, step.Attrs with
        | "einsum", [ _, Text notation ] ->
            let node = b.Nodes[s.Program.Leaves.Length + k]
            let operands =
                step.Args |> Seq.map (fun a -> b.Nodes[a]) |> Array.ofSeq |> Reference.evaluate
            match naive notation operands with
            | ValueNone -> ()
            | ValueSome sums ->
                let product = operands |> Array.fold (fun p x -> p * largest [ x ]) 1.0
                let labels = 50_000.0
                let expected = ofFloats node.DType node.Shape sums
                note.Compare("einsum", 1e-15 * labels * product, notation, expected, (values [| node |])[0])
        | _ -> ())

// ---- Masked -------------------------------------------------------------------------------------------------------------------------

let private pieces: (Expr -> Expr)[] =
    [| sqrt
       log
       exp
       (fun u -> 1.0 / u)
       (fun u -> u + sin u)
       (fun u -> u * u)
       (fun u -> Expr.Map(Fn.Pow, [| u; Expr.op_Implicit 1.5 |]))
       (fun u -> u * log u) |]

/// where(mask, f(x), 0): what x is where the mask is false, 0 or NaN say, changes no derivative where it is true, and is given exactly 0.
/// f uses its argument, and what it makes of it, several times.
let masked (s: Subject) (note: Recorder) =
    let r = s.Random 21UL
    let n = r.Between(1, 40)
    let isLive = Array.init n (fun _ -> r.Chance 0.6)
    let live = Array.init n (fun _ -> r.Within(0.5, 3.0))
    let steps =
        Array.init (r.Between(1, 3)) (fun _ -> struct (r.Below 3, r.Pick pieces))
    let first = r.Pick pieces
    let f (u: Expr) =
        steps
        |> Array.fold
            (fun y (struct (way, piece)) ->
                match way with
                | 0 -> y + piece u
                | 1 -> y * piece u
                | _ -> y + piece (1.0 + u * u))
            (first u)
    let vector (values: float[]) = NDArray.Create(values, Shape [| n |])
    let draw () =
        constant (vector (Array.init n (fun _ -> r.Within(-1.0, 1.0))))
    let weights, direction = draw (), draw ()
    let mask = constant (NDArray.Create(isLive, Shape [| n |]))
    let roots (dead: int -> float) =
        let x =
            variableOf "x" (vector (Array.init n (fun i -> if isLive[i] then live[i] else dead i)))
        let y = where mask (f x) (Expr.ZerosLike x)
        let loss = sum (y * weights)
        Array.concat
            [ [| y |]
              Gradient.grad Unconnected.Zeros loss [| x |]
              Gradient.hvp loss [| x |] [| direction |] ]
    let harmless = roots (fun _ -> 1.25)
    let expected =
        Reference.evaluate harmless
        |> Array.map (fun v -> vector (Array.mapi (fun i a -> if isLive[i] then a else 0.0) (floats v)))
    let scale = scaleOf harmless
    let bad = [| 0.0; -0.0; -1.0; infinity; -infinity; nan; 1e300 |]
    let choice = Array.init n (fun _ -> r.Pick bad)
    let harmful = roots (fun i -> choice[i])
    for what, found in
        [ "reference, harmless", Reference.evaluate harmless
          "plan, harmless", values harmless
          "reference", Reference.evaluate harmful
          "plan", values harmful ] do
        Array.iteri2
            (fun k (e: NDArray) (a: NDArray) ->
                for i in 0 .. n - 1 do
                    note.Note(
                        "masked",
                        distance (e.Float i) (a.Float i),
                        (if isLive[i] then 1e-11 * scale else 0.0),
                        fun () ->
                            $"{what}, result {k}, element {i} of {n}, dead {choice[i]:R}: expected {e.Float i:R}, got {a.Float i:R}"
                    ))
            expected
            found

/// What keeps rows apart, given weights [n, n] and [n]: products, lookups, windows, running sums, transforms, matrices.
let private rowSteps: (Expr -> Expr -> Expr -> Expr)[] =
    [| (fun w _ u -> matmul u w)
       (fun _ v u -> einsum "ij,j,ij->ij" [ u; v; sin u ])
       (fun w _ u -> einsum "ij,jk,ik->ik" [ u; w; u ])
       (fun _ _ u -> cumsum 1 u)
       (fun _ _ u -> softmax 1 u)
       (fun _ v u -> u * expandDims 1 (logsumexpOver [ 1 ] (u * v)))
       (fun _ _ u ->
           let places =
               NDArray.Create(Array.init u.Shape[1] (fun i -> int64 (i / 2)), Shape [| u.Shape[1] |])
           gather 1 (constant places) u)
       (fun _ _ u -> takeAlong 1 (argsort 1 u) u)
       (fun _ _ u ->
           let padded = concat 1 [ u; slice 1 (Some 0) (Some 1) 1 u ]
           sumOver [ 2 ] (unfold 1 2 1 1 padded))
       (fun _ _ u -> let z = fft (Arrangement.stack 2 [ u; sin u ]) in sumOver [ 2 ] (z * z))
       (fun w _ u ->
           let n = u.Shape[1]
           let a = einsum "ij,ik->ijk" [ tanh u; tanh u ] + 2.0 * eye n DType.Float64
           let b = reshape [ u.Shape[0]; n; 1 ] (matmul u w)
           reshape [ u.Shape[0]; n ] (solve a b) + expandDims 1 (logdet a)) |]

let private smooth: (Expr -> Expr)[] =
    [| sin; tanh; (fun u -> sqrt (1.0 + u * u)); (fun u -> u / (1.0 + u * u)) |]

/// The same of functions of rows: what a row that `where` drops holds changes no derivative, with respect to what all rows share neither.
let maskedRows (s: Subject) (note: Recorder) =
    let r = s.Random 22UL
    let m, n = r.Between(2, 6), r.Between(2, 6)
    let isLive = Array.init m (fun i -> i = 0 || r.Chance 0.6)
    let live = Array.init (m * n) (fun _ -> r.Within(0.5, 2.0))
    let steps =
        Array.init (r.Between(1, 3)) (fun _ -> struct (r.Pick rowSteps, r.Pick smooth))
    let first = r.Pick pieces
    let array dims (values: float[]) =
        NDArray.Create(values, Shape(Array.ofList dims))
    let draw dims =
        array dims (Array.init (List.fold (*) 1 dims) (fun _ -> r.Within(-1.0, 1.0)))
    let square, vector, weights, direction =
        draw [ n; n ], draw [ n ], draw [ m; n ], draw [ m; n ]
    let mask =
        broadcastTo [ m; n ] (reshape [ m; 1 ] (constant (NDArray.Create(isLive, Shape [| m |]))))
    let roots (dead: int -> float) =
        let x =
            variableOf
                "x"
                (array [ m; n ] (Array.init (m * n) (fun k -> if isLive[k / n] then live[k] else dead k)))
        let w, v = variableOf "w" square, variableOf "v" vector
        let f =
            steps
            |> Array.fold (fun u (struct (step, piece)) -> piece (step w v u)) (first x)
        let y = where mask f (Expr.ZerosLike f)
        let loss = sum (y * constant weights)
        let g = Gradient.grad Unconnected.Zeros loss [| x; w; v |]
        Array.concat
            [ [| y |]
              g
              Gradient.grad Unconnected.Zeros (sum (g[0] * constant direction)) [| x; w; v |] ]
    let harmless, choice =
        roots (fun _ -> 1.25), r.Pick [| 0.0; -1.0; infinity; -infinity; nan |]
    let expected = Reference.evaluate harmless
    let scale = scaleOf harmless
    let harmful = roots (fun _ -> choice)
    for what, found in [ "reference", Reference.evaluate harmful; "plan", values harmful ] do
        Array.iteri2
            (fun k (e: NDArray) (a: NDArray) ->
                for i in 0 .. e.Length - 1 do
                    note.Note(
                        "masked rows",
                        distance (e.Float i) (a.Float i),
                        1e-11 * scale,
                        fun () ->
                            $"{what}, result {k}, element {i} of {m} rows of {n}, dead {choice:R}: expected {e.Float i:R}, got {a.Float i:R}"
                    ))
            expected
            found
