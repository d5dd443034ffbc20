/// A mask of `where` holds index by index in loops and branches, and in operations of the caller's own.
module WhereLoopTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private rows (x: Expr) = sumOver [ 1 ] x
let private alive (x: Expr) = slice 0 (Some 1) None 1 x

/// Whether each row is safe, for values with these further axes.
let private rowsSafe (axes: int list) (x: Expr) =
    let count = reshape (x.Shape[0] :: List.map (fun _ -> 1) axes) (rows x)
    greater (broadcastTo (x.Shape[0] :: axes) count) (scalar 0.0)

/// The same at each of some iterations.
let private stackedSafe n x =
    broadcastTo [ n; 3; 2 ] (rowsSafe [ 2 ] x)

/// Numbers that an iteration reads beside the state.
let private steps n =
    constant (NDArray.Create(Array.init n (fun t -> 0.4 + 0.3 * float t), Shape [| n |]))

let private last (state, _) = List.head state
let private outputs (_, ys) = List.head ys

let private guarded: (string * (Expr -> Expr) * (Expr -> Expr)) list =
    [ "states that start undefined",
      (fun x -> last (scan (fun s t -> [ tanh (s.Head * t.Head + sin s.Head) ], []) [ log x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "states through a matrix",
      (fun x ->
          let w = sin (alive x)
          last (scan (fun s t -> [ tanh (matmul s.Head w + t.Head) ], []) [ log x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "slices that are undefined",
      (fun x ->
          let xs = log (steps 4 |> reshape [ 4; 1; 1 ] |> fun t -> t * reshape [ 1; 3; 2 ] x)
          let w = cos (alive x)
          let body (s: Expr list) (x: Expr list) =
              let next = tanh (matmul s.Head w + x.Head)
              [ next ], [ next * s.Head ]
          outputs (scan body [ zerosLike x ] [ xs ])),
      stackedSafe 4
      "what is captured",
      (fun x ->
          let l = log x
          last (scan (fun s t -> [ sin (s.Head * l) + t.Head * l ], []) [ onesLike x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "a captured matrix with an undefined row",
      (fun x ->
          let w, a = transpose (log x), sin (alive x)
          last (
              scan
                  (fun s t -> [ tanh (s.Head * t.Head + matmul a w) ], [])
                  [ full [ 2; 3 ] DType.Float64 0.5 ]
                  [ steps 3 ]
          )),
      (fun x -> broadcastTo [ 2; 3 ] (greater (rows x) (scalar 0.0)))
      "a matrix that meets the state",
      (fun x ->
          // The state's column 0 reads the undefined row and nothing else reads that column.
          let w = reshape [ 3; 1; 2 ] (log x)
          let body (s: Expr list) (t: Expr list) =
              let mixed = einsum "irj,rkj->irk" [ s.Head; broadcastTo [ 3; 2; 2 ] w ]
              [ tanh (mixed * t.Head) ], [ mixed ]
          outputs (scan body [ full [ 2; 3; 2 ] DType.Float64 0.5 ] [ steps 3 ])),
      (fun x ->
          let safe = greater (rows x) (scalar 0.0)
          broadcastTo [ 3; 2; 3; 2 ] (reshape [ 1; 1; 3; 1 ] safe))
      "iterations up to what is missing",
      (fun x ->
          scanWith
              (LoopOptions.Default.Reversed())
              (fun s x -> let next = tanh (s.Head * x.Head) in [ next ], [ next ])
              [ alive x |> slice 0 (Some 0) (Some 1) 1 |> reshape [ 2 ] ]
              [ log x ]
          |> outputs),
      (fun x -> greater x (scalar 0.0))
      "results masked in one part, whole in the other",
      (fun x ->
          let state, ys =
              scan
                  (fun s t -> [ tanh s.Head * t.Head; s.Tail.Head * sin s.Head ], [ s.Head * t.Head ])
                  [ log x; sqrt x ]
                  [ steps 3 ]
          stack 0 [ state.Head * state.Tail.Head; sumOver [ 0 ] ys.Head ]),
      (fun x -> broadcastTo [ 2; 3; 2 ] (rowsSafe [ 2 ] x))
      "while a condition holds",
      (fun x ->
          whileLoop
              (fun s -> less s.Tail.Head (scalar 2.5))
              (fun s -> [ tanh (s.Head * log x); s.Tail.Head + 1.0 ])
              [ 1.0 / x; scalar 0.0 ]
          |> List.head),
      rowsSafe [ 2 ]
      "counted iterations",
      (fun x ->
          forLoop 3 (fun i s -> [ sqrt (square s.Head + cast DType.Float64 i) * sqrt x ]) [ log x ]
          |> List.head),
      rowsSafe [ 2 ]
      "loops in loops",
      (fun x ->
          let w = sin (alive x)
          let inner (s: Expr) (t: Expr) =
              last (scan (fun r u -> [ tanh (matmul r.Head w * u.Head + log x) ], []) [ s * t ] [ steps 2 ])
          last (scan (fun s t -> [ inner (sqrt x + s.Head) t.Head ], []) [ 1.0 / x ] [ steps 2 ])),
      rowsSafe [ 2 ]
      "branches",
      (fun x ->
          let l = log x
          cond
              (greater (sum (alive x)) (scalar 1.0))
              (fun a -> [ sin a.Head * l ])
              (fun a -> [ a.Head ])
              [ 1.0 / x ]
          |> List.head),
      rowsSafe [ 2 ]
      "branches that read different operands",
      (fun x ->
          let l, w = log x, cos (alive x)
          cond (less (sum (alive x)) (scalar 1.0)) (fun _ -> [ l ]) (fun a -> [ matmul a.Head w ]) [ sqrt x ]
          |> List.head),
      rowsSafe [ 2 ]
      "branches in loops",
      (fun x ->
          let body (s: Expr list) (t: Expr list) =
              cond
                  (less t.Head (scalar 0.6))
                  (fun a -> [ tanh (a.Head * log x) ])
                  (fun a -> [ a.Head * x ])
                  s,
              []
          last (scan body [ 1.0 / x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "states computed again",
      (fun x ->
          scanWith
              (LoopOptions.Default.WithMaxRecordBytes 100L)
              (fun s t -> [ tanh (s.Head * t.Head) * log x ], [])
              [ sqrt x ]
              [ steps 7 ]
          |> last),
      rowsSafe [ 2 ]
      "checkpoints in loops",
      (fun x ->
          let step = checkpoint (fun s -> tanh (s[0] * log x))
          last (scan (fun s t -> [ step [ s.Head * t.Head ] ], []) [ sqrt x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "loops over a batch of rows",
      (fun x ->
          let row (r: Expr) =
              last (scan (fun s t -> [ tanh (s.Head * t.Head) * log r ], []) [ 1.0 / r ] [ steps 3 ])
          vmap row x),
      rowsSafe [ 2 ]
      "convolutions in loops",
      (fun x ->
          let kernel = reshape [ 2; 1; 2 ] (sin (alive x))
          let body (s: Expr list) (_: Expr list) =
              let y =
                  convWith [] (Padding.Each [| struct (1, 0) |]) [] 1 kernel (reshape [ 3; 1; 2 ] s.Head)
              [ tanh (sumOver [ 1 ] y) ], []
          last (scan body [ log x ] [ steps 3 ])),
      rowsSafe [ 2 ]
      "a function of the caller's, index by index",
      (fun x -> scalarOp "own_log" Math.Log (fun x _ -> 1.0 / x) x |> fun l -> l * sin l),
      rowsSafe [ 2 ]
      "an operation of the caller's",
      (fun x ->
          customOp
              "own_sum_of_logs"
              (fun _ -> Shape.Scalar)
              (fun xs ->
                  NDArray.Create([| xs.Head.ToArray<float>() |> Array.sumBy Math.Log |], Shape.Scalar))
              (fun xs _ g -> [ g / xs.Head ])
              [ x ]),
      (fun x -> greater (reduceMin x) (scalar 0.0))
      "a gradient of the caller's",
      (fun x -> customGrad (fun x -> log x) (fun x _ g -> g / x) x),
      (fun x -> greater (broadcastTo [ 3; 2 ] (reduceMin x)) (scalar 0.0))
      "tangents of the caller's",
      (fun x -> customJvp (fun x -> log x) (fun x _ v -> v / x) x),
      (fun x -> greater (broadcastTo [ 3; 2 ] (reduceMin x)) (scalar 0.0)) ]

let loopCases = TheoryData<string>(guarded |> List.map (fun (name, _, _) -> name))

[<Theory; MemberData(nameof loopCases)>]
let ``nothing of the branch not taken comes back through loops`` (name: string) =
    let _, f, isSafe = guarded |> List.find (fun (other, _, _) -> other = name)
    WhereTests.checkRows f isSafe

let private numbers (e: Expr) = (eval e).ToArray<float>()

let private areEqual (expected: Expr list) (found: Expr list) =
    List.zip expected found
    |> List.iteri (fun k (a, b) ->
        Array.iter2
            (fun (a: float) b -> Assert.True(abs (a - b) <= 1e-12, $"derivative {k}: {b}, not {a}"))
            (numbers a)
            (numbers b))

/// A recurrent network over sequences [time, batch, 2], its states at all times.
let private network (w: Expr) (u: Expr) (xs: Expr) =
    let body (s: Expr list) (x: Expr list) =
        let next = tanh (matmul s.Head w + matmul x.Head u)
        [ next ], [ next ]
    outputs (scan body [ full [ xs.Shape[1]; 2 ] DType.Float64 0.0 ] [ xs ])

[<Fact>]
let ``a sequence that is undefined spoils no parameter of a recurrent network`` () =
    let numbersOf batch isBad =
        Array.init (5 * batch * 2) (fun i -> if isBad i then nan else sin (float i))
    let all = numbersOf 3 (fun i -> i / 2 % 3 = 1)
    // Of the others alone.
    let kept = all |> Array.filter (Double.IsNaN >> not)
    let w = tensor "w" [ 2; 2 ] [| 0.3; -0.2; 0.7; 1.1 |]
    let u = tensor "u" [ 2; 2 ] [| 0.5; 0.4; -0.6; 0.2 |]
    let sequence batch (values: float[]) =
        constant (NDArray.Create(values, Shape [| 5; batch; 2 |]))
    let y = network w u (sequence 3 all)
    let loss = sum (where (less (abs y) (scalar infinity)) (square y) (zerosLike y))
    let expected = sum (square (network w u (sequence 2 kept)))
    let v = constant (NDArray.Create([| 1.0; -2.0; 0.5; 3.0 |], Shape [| 2; 2 |]))
    let derivatives loss =
        let g = grads loss [ w; u ]
        g
        @ grads (sum (g[0] * v + g[1] * g[0])) [ w; u ]
        @ [ jvp g[0] [ w ] [ v ]; jvp g[1] [ w ] [ v ] ]
    areEqual (derivatives expected) (derivatives loss)

[<Fact>]
let ``the ends of sequences of different lengths may be anything`` () =
    let lengths = constant (NDArray.Create([| 5L; 2L; 3L |], Shape [| 1; 3; 1 |]))
    let time = Leaf.iota (Shape [| 5; 3; 2 |]) 0 DType.Int64
    let isThere = less time (broadcastTo [ 5; 3; 2 ] lengths)
    let logs = tensor "x" [ 5; 3; 2 ] (Array.init 30 (fun i -> 1.0 + float i))
    let w = tensor "w" [ 2; 2 ] [| 0.3; -0.2; 0.7; 1.1 |]
    let u = tensor "u" [ 2; 2 ] [| 0.5; 0.4; -0.6; 0.2 |]
    /// The network's loss, at each time within the loop.
    let within xs =
        let body (s: Expr list) (x: Expr list) =
            let next = tanh (matmul s.Head w + matmul x.Head u)
            [ next ], [ where x.Tail.Head (square next) (zerosLike next) ]
        sum (outputs (scan body [ full [ 3; 2 ] DType.Float64 0.0 ] [ xs; isThere ]))
    let after xs =
        let y = network w u xs
        sum (where isThere (square y) (zerosLike y))
    for loss in [ within; after ] do
        // Beyond the end −∞, whose derivative is infinite; or a harmless number.
        let derivatives beyond =
            let xs =
                log (where isThere logs (full [ 5; 3; 2 ] DType.Float64 beyond + 0.0 * logs))
            let g = grads (loss xs) [ logs; w; u ]
            g @ grads (sum (square g[0])) [ logs; w; u ]
        areEqual (derivatives 1.0) (derivatives 0.0)
        areEqual (derivatives 1.0) (derivatives -1.0)

[<Fact>]
let ``without where there is no mask in a loop`` () =
    let w, u = input "w" [ 2; 2 ] DType.Float64, input "u" [ 2; 2 ] DType.Float64
    let xs = input "xs" [ 5; 3; 2 ] DType.Float64
    let g = grads (sum (square (network w u (sin xs)))) [ w; u; xs ]
    for node in Graph.topological g do
        match node.Op with
        | Op.Loop loop ->
            for sweep in (Iterated.Of loop).Iteration.Sweeps do
                for node in Graph.topological sweep.Body.Outputs do
                    Assert.False(node.Op.Equals(Op.Elementwise Fn.Where))
                    Assert.NotEqual(DType.Bool, node.DType)
        | op -> Assert.False(op.Equals(Op.Elementwise Fn.Where))
