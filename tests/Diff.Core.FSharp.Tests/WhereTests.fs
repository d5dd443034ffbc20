/// What a branch that is not taken would give reaches no derivative: the same numbers come out whether it is harmless or undefined there.
module WhereTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private zero (y: Expr) = zerosLike y
let private rows (x: Expr) = sumOver [ 1 ] x

let private whole (numbers: int64 list) =
    constant (NDArray.Create(Array.ofList numbers, Shape [| numbers.Length |]))

/// Whether each row is safe, for values with these further axes.
let private rowsSafe (axes: int list) (x: Expr) =
    let count = reshape (x.Shape[0] :: List.map (fun _ -> 1) axes) (rows x)
    greater (broadcastTo (x.Shape[0] :: axes) count) (scalar 0.0)

/// A function of the rows that are alive, with as many rows as x has columns.
let private others (f: Expr -> Expr) (x: Expr) = f (slice 0 (Some 1) None 1 x)

/// A symmetric positive definite matrix for each row.
let private matrices (x: Expr) =
    let l = log x
    einsum "ij,ik->ijk" [ l; l ]
    + einsum "i,jk->ijk" [ 2.0 + rows (square (sqrt x)); eye 2 DType.Float64 ]

/// A function that is undefined or infinite at 0 or below, or its derivatives are, and where it is safe.
let private guarded: (string * (Expr -> Expr) * (Expr -> Expr)) list =
    let positive x = greater x (scalar 0.0)
    let positiveRow x = greater (rows x) (scalar 0.0)
    [ "sum of a branch's parts", (fun x -> let u = sqrt x in u + sin u), positive
      "product of a branch's parts", (fun x -> let u = sqrt x in u * sin u), positive
      "differences of powers", (fun x -> let u = (relu x) ** scalar -6.0 in u * u - u), positive
      "quotients", (fun x -> let d = log x / sqrt x in tanh d - tanh (d - sqrt x)), positive
      "an operand that stands twice", (fun x -> sin x / x + log x * log x), positive
      "exponentials of exponentials", (fun x -> exp (exp (1.0 / x))), positive
      "sums of rows", (fun x -> rows (log x)), positiveRow
      "norms of rows", (fun x -> sqrt (rows (x * x))), positiveRow
      "extremes of rows", (fun x -> reduceMaxOver [ 1 ] (log x)), positiveRow
      "products of rows", (fun x -> prodOver [ 1 ] (log (1.0 + x) / x)), positiveRow
      "logsumexp of rows", (fun x -> logsumexpOver [ 1 ] (log x)), positiveRow
      "standard deviations of rows", (fun x -> sqrt (varOver 0 [ 1 ] (log x))), positiveRow
      "rows divided by their norm",
      (fun x -> x / reshape [ x.Shape[0]; 1 ] (sqrt (rows (x * x)))),
      (fun x -> greater (reshape [ x.Shape[0]; 1 ] (rows x) + zero x) (scalar 0.0))
      "softmax of rows",
      (fun x -> softmax 1 (log x * x)),
      (fun x -> greater (reshape [ x.Shape[0]; 1 ] (rows x) + zero x) (scalar 0.0))
      "slices",
      (fun x ->
          let l = log x in
          let a = slice 0 None (Some 2) 1 l in
          a + a * a),
      (fun x -> greater (slice 0 None (Some 2) 1 x) (scalar 0.0))
      "parts of one value",
      (fun x ->
          let l = log x
          let a, b = slice 1 None (Some 1) 1 l, slice 1 (Some 1) None 1 l
          a * b + sin a),
      (fun x -> greater (reshape [ x.Shape[0]; 1 ] (rows x)) (scalar 0.0))
      "parts of parts",
      (fun x ->
          let part = slice 1 (Some 1) None 1 (1.0 / x)
          let a, b = slice 0 None (Some 2) 1 part, slice 0 (Some 2) None 1 (part * part)
          concat 0 [ sin a; b ]),
      (fun x -> greater (reshape [ x.Shape[0]; 1 ] (rows x)) (scalar 0.0))
      "moved axes",
      (fun x -> let l = transpose (log x) in l * exp l),
      (fun x -> greater (transpose x) (scalar 0.0))
      "other words of a shape",
      (fun x -> let l = reshape [ x.Shape.Length ] (1.0 / x) in l + l * l),
      (fun x -> greater (reshape [ x.Shape.Length ] x) (scalar 0.0))
      "joined parts",
      (fun x -> let l = concat 0 [ log x; 1.0 / x ] in l * l),
      (fun x -> greater (concat 0 [ x; x ]) (scalar 0.0))
      "products with matrices", (fun x -> matmul (log x) (others sin x)), rowsSafe [ 2 ]
      "products of products",
      (fun x -> matmul (sqrt (square (matmul (log x) (others exp x)))) (others sin x)),
      rowsSafe [ 2 ]
      "products from the right",
      (fun x -> matmul (others cos x) (transpose (1.0 / x))),
      (fun x -> broadcastTo [ 2; 3 ] (greater (rows x) (scalar 0.0)))
      "products of rows with each other",
      (fun x -> matmul (log x) (transpose (sqrt x))),
      (fun x ->
          let alive = cast DType.Float64 (greater (rows x) (scalar 0.0))
          greater (einsum "i,j->ij" [ alive; alive ]) (scalar 0.0))
      "products of three with a sum",
      (fun x -> einsum "ij,jk,ik->i" [ log x; others sin x; 1.0 / x ]),
      positiveRow
      "the whole array or nothing",
      (fun x -> einsum "ij,ij->" [ log x; sqrt x ]),
      (fun x -> greater (reduceMin x) (scalar 0.0))
      "rows looked up",
      (fun x -> let l = gather 0 (whole [ 0L; 2L; 1L; 2L ]) (log x) in l * exp l),
      (fun x -> greater (gather 0 (whole [ 0L; 2L; 1L; 2L ]) x) (scalar 0.0))
      "rows added where they belong",
      (fun x -> scatterAdd 0 [ 2; 2 ] (whole [ 0L; 1L; 1L ]) (square (log x))),
      (fun x -> greater (gather 0 (whole [ 0L; 1L ]) x) (scalar 0.0))
      "elements looked up along rows",
      (fun x -> takeAlong 1 (reshape [ 3; 1 ] (whole [ 1L; 0L; 1L ])) (log x / x)),
      rowsSafe [ 1 ]
      "windows",
      (fun x -> let u = sumOver [ 1 ] (unfold 0 2 1 1 (sqrt x)) in u * u),
      (fun x -> greater (reduceMinOver [ 1 ] (unfold 0 2 1 1 x)) (scalar 0.0))
      "running sums", (fun x -> cumsum 1 (log x) * x), rowsSafe [ 2 ]
      "running sums up to what is missing",
      (fun x -> cumsum 0 (flip [ 0 ] (log x))),
      (fun x -> greater (flip [ 0 ] x) (scalar 0.0))
      "running products up to what is missing",
      (fun x -> cumprod 0 (flip [ 0 ] (1.0 / x))),
      (fun x -> greater (flip [ 0 ] x) (scalar 0.0))
      "recurrences up to what is missing",
      (fun x -> linearRecurrence 0 (flip [ 0 ] (sqrt x)) (flip [ 0 ] (log x))),
      (fun x -> greater (flip [ 0 ] x) (scalar 0.0))
      "Fourier transforms of rows",
      (fun x -> let z = fft (reshape [ 3; 1; 2 ] (log x)) in z * z),
      (fun x -> reshape [ 3; 1; 2 ] (rowsSafe [ 2 ] x))
      "inverses", (fun x -> inverse (matrices x)), rowsSafe [ 2; 2 ]
      "determinants", (fun x -> det (matrices x)), positiveRow
      "Cholesky factors", (fun x -> cholesky (matrices x)), rowsSafe [ 2; 2 ]
      "eigenvalues", (fun x -> eigvalsh (matrices x)), rowsSafe [ 2 ]
      "solutions", (fun x -> solve (matrices x) (reshape [ 3; 2; 1 ] (sqrt x))), rowsSafe [ 2; 1 ] ]

let cases = TheoryData<string>(guarded |> List.map (fun (name, _, _) -> name))

let private numbers (e: Expr) = (eval e).ToArray<float>()

/// The first row of the points is dead.
let private derivatives dead (f: Expr -> Expr) (isSafe: Expr -> Expr) : float[][] =
    let x = tensor "x" [ 3; 2 ] [| dead; dead; 0.7; 1.3; 2.1; 0.4 |]
    let y = f x
    let guarded = where (isSafe x) y (zero y)
    let g = grad guarded x
    let v =
        reshape [ 3; 2 ] (constant (NDArray.Create([| 1.0; -2.0; 0.5; 1.5; -1.0; 2.0 |], Shape [| 6 |])))
    [ g; grad (g * v) x; jvp g [ x ] [ v ] ] |> List.map numbers |> List.toArray

/// Where the first row is infinite or undefined, first and second derivatives are those with harmless numbers there.
let internal checkRows (f: Expr -> Expr) (isSafe: Expr -> Expr) : unit =
    let shut (x: Expr) =
        // Safe nowhere in the first row, whatever stands there.
        let alive =
            constant (NDArray.Create([| 0.0; 0.0; 1.0; 1.0; 1.0; 1.0 |], Shape [| 3; 2 |]))
        isSafe (x * alive)
    let expected = derivatives 0.9 f shut
    for dead in [ 0.0; -1.0; infinity; nan ] do
        let isSafe x =
            if Double.IsFinite dead && dead <= 0.0 then
                isSafe x
            else
                isSafe (where (less (abs x) (scalar 100.0)) x (zero x))
        let found = derivatives dead f isSafe
        Array.iteri2
            (fun k ->
                Array.iter2 (fun (a: float) b ->
                    Assert.True(
                        abs (a - b) <= 1e-12 * (1.0 + abs a),
                        $"derivative {k} at {dead}: {b}, not {a}"
                    )))
            expected
            found

[<Theory; MemberData(nameof cases)>]
let ``nothing of the branch not taken reaches first and second derivatives`` (name: string) =
    let _, f, isSafe = guarded |> List.find (fun (other, _, _) -> other = name)
    checkRows f isSafe

[<Fact>]
let ``either branch may be undefined where the other is taken`` () =
    let x = tensor "x" [ 2 ] [| 1000.0; 0.5 |]
    let y = where (less x (scalar 10.0)) (exp (exp x)) (x * x * x)
    let g = grad y x
    Assert.Equal(3e6, (numbers g)[0], 1e-3)
    Assert.Equal(6000.0, (numbers (grad g x))[0], 1e-9)
    Assert.Equal(6.0, (numbers (grad (grad g x) x))[0], 1e-9)
    Assert.Equal(exp (exp 0.5) * exp 0.5 * (1.0 + exp 0.5), (numbers (grad g x))[1], 1e-9)

/// A mask of the rows whose numbers are all finite, as one makes it of the result.
let private finite (y: Expr) = less (abs y) (scalar infinity)

[<Fact>]
let ``data that is missing in a row spoils no parameter`` () =
    let data =
        constant (NDArray.Create([| 1.0; 2.0; nan; 3.0; -1.0; 0.5 |], Shape [| 3; 2 |]))
    let w = tensor "w" [ 2; 2 ] [| 0.3; -0.2; 0.7; 1.1 |]
    let y = tanh (matmul data w)
    let loss = sum (where (finite y) (y * y) (zero y))
    let alive = constant (NDArray.Create([| 1.0; 2.0; -1.0; 0.5 |], Shape [| 2; 2 |]))
    let expected = sum (square (tanh (matmul alive w)))
    let v = constant (NDArray.Create([| 1.0; -2.0; 0.5; 3.0 |], Shape [| 2; 2 |]))
    for f in [ id; (fun g -> sum (g * v)) >> (fun s -> grad s w) ] do
        Array.iter2
            (fun (a: float) b -> Assert.Equal(a, b, 1e-12))
            (numbers (f (grad expected w)))
            (numbers (f (grad loss w)))

[<Fact>]
let ``without where there is no mask in a product`` () =
    let x, w =
        tensor "x" [ 3; 2 ] [| 1.0 .. 6.0 |], tensor "w" [ 2; 2 ] [| 1.0 .. 4.0 |]
    let masks (y: Expr) =
        Graph.topological (grads (sum y) [ w; x ])
        |> Seq.filter (fun e -> e.Op.Equals(Op.Elementwise Fn.Where))
        |> Seq.length
    // The mask of relu itself, for both gradients together.
    Assert.Equal(1, masks (matmul (relu (matmul (sin x) w)) w))
    Assert.Equal(0, masks (matmul (tanh (matmul x w)) w))

[<Fact>]
let ``a mask of indices, as that of causal attention, needs no other behind it`` () =
    let masks (mask: Expr -> Expr) =
        let x = tensor "x" [ 4; 2 ] [| 1.0 .. 8.0 |]
        let q, k, v = sin x, cos x, tanh x
        let scores = mask (matmul q (transpose k))
        Graph.topological [ grad (sum (matmul (softmax 1 scores) v)) x ]
        |> Seq.filter (fun e -> e.Op.Equals(Op.Elementwise Fn.Where))
        |> Seq.length
    let only mask scores = where mask scores (scalar -infinity)
    let places = iota [ 4 ] 0 DType.Int32
    let causal = lessEqual places (expandDims 1 places)
    let given = greater (tensor "seen" [ 4; 4 ] (Array.create 16 1.0)) (scalar 0.0)
    let least = masks id + 2 // the scores and their cotangent
    Assert.Equal(least, masks (only causal))
    Assert.True(masks (only given) > least)
    // Not all pass.
    Assert.True(masks (only (less places (scalar 3.0))) > least)

[<Fact>]
let ``what a mask stops stays stopped beside what another lets pass`` () =
    // σ is read by the branch not taken, and past the mask by slices; each part of its cotangent has a mask of its own.
    let slope (v: float) =
        1.0 / (1.0 + exp -v) * (1.0 - 1.0 / (1.0 + exp -v))
    let values, weights = [| 1.0; -0.5; 2.0 |], [| 0.3; 0.7; 0.4 |]
    for bits in 0..31 do
        let bit k = bits >>> k &&& 1 = 1
        let first, second = Array.init 3 bit, Array.init 2 (fun i -> bit (i + 3))
        let x, w = tensor "x" [ 3 ] values, tensor "w" [ 3 ] weights
        let mask (m: bool[]) =
            constant (NDArray.Create(m, Shape [| m.Length |]))
        let s = sigmoid x
        let tail = slice 0 (Some 1) None 1 s
        let kept = where (mask second) tail (zero tail)
        let alone = broadcastTo [ 3 ] (sum kept)
        let y = sum (w * where (mask first) alone s)
        let chosen = Array.fold2 (fun t m v -> if m then t + v else t) 0.0 first weights
        let expected =
            Array.init 3 (fun i ->
                let direct = if first[i] then 0.0 else weights[i]
                let bySum = if i > 0 && second[i - 1] then chosen else 0.0
                (direct + bySum) * slope values[i])
        let actual = numbers (grad y x)
        for i in 0..2 do
            Assert.True(abs (expected[i] - actual[i]) < 1e-12, $"{bits}, {i}: {actual[i]}, not {expected[i]}")
