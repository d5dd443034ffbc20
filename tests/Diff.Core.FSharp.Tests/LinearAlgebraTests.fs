/// Linear algebra: residuals, exact values, degenerate matrices, errors. That derivatives agree with differences is among the laws.
module LinearAlgebraTests

open System
open System.Reflection
open FSharp.Reflection
open Xunit
open Diff
open Diff.Testing
open Diff.Testing.Generators

let private epsilon = Math.BitIncrement 1.0 - 1.0
let private matrix (rows: float list list) =
    NDArray.Create(
        rows |> List.concat |> Array.ofList,
        Shape
            [| rows.Length
               rows |> List.tryHead |> Option.map List.length |> Option.defaultValue 0 |]
    )
let private leaf (rows: float list list) = variableOf "a" (matrix rows)
let private numbers (e: Expr) = floats (eval e)
let private largest (e: Expr) =
    floats (eval e)
    |> Array.fold (fun m v -> if Double.IsNaN v then v else max m (abs v)) 0.0
let private near tolerance (expected: float seq) (actual: Expr) =
    let expected, actual = Array.ofSeq expected, numbers actual
    Assert.Equal(expected.Length, actual.Length)
    for e, a in Array.zip expected actual do
        if Double.IsFinite e then
            Assert.Equal(e, a, tolerance * (1.0 + abs e))
        else
            Assert.Equal(e, a)
let private t (x: Expr) =
    permute ([ 0 .. x.Rank - 3 ] @ [ x.Rank - 1; x.Rank - 2 ]) x
let private eye n =
    constant (matrix [ for i in 1..n -> [ for j in 1..n -> if i = j then 1.0 else 0.0 ] ])
let private random seed m n = spread seed (-1.0, 1.0) [ m; n ]

// ---- Residuals ------------------------------------------------------------------------------------------------------

/// An orthogonal matrix.
let private orthogonal n =
    eval (fst (qr (constant (random 7 n n))))

let private kinds: (string * (int -> int -> NDArray)) list =
    let of' (f: int -> int -> float) m n =
        NDArray.Create(Array.init (m * n) (fun k -> f (k / n) (k % n)), Shape [| m; n |])
    let random' m n = random (m + n) m n
    [ "random", random'
      "Hilbert", of' (fun i j -> 1.0 / float (i + j + 1))
      "graded",
      (fun m n ->
          let x = random' m n
          of' (fun i j -> x.Float(i * n + j) * 10.0 ** (-0.5 * float (i + j))) m n)
      "equal values",
      (fun m n ->
          let values =
              constant (NDArray.Create(Array.init n (fun i -> float (1 + i / 3)), Shape [| n |]))
          let square = matmul (constant (orthogonal n) * values) (t (constant (orthogonal n)))
          eval (pad [ 0, max 0 (m - n); 0, 0 ] (slice 0 None (Some m) 1 square)))
      "zeros", of' (fun _ _ -> 0.0)
      "mostly zeros",
      (fun m n ->
          let x = random' m n
          of'
              (fun i j ->
                  if (5 * i * i + 3 * j + n) % 4 = 0 then
                      x.Float(i * n + j)
                  else
                      0.0)
              m
              n)
      "of a wide range",
      (fun m n ->
          let values = [| 0.0; 0.0; 1.0; 1e150; 1e-150; 1e-300; -3.0 |]
          let random = Random(17 * m + n)
          of' (fun _ _ -> values[random.Next values.Length]) m n)
      "ascending with a corner",
      of' (fun i j ->
          if i = j then 1.0 + float i
          elif i = 0 && j = 2 then 0.1
          else 0.0)
      "of rank 1", of' (fun i j -> float (i + 1) * float (j - 2))
      "large", (fun m n -> eval (1e200 * constant (random' m n)))
      "small", (fun m n -> eval (1e-200 * constant (random' m n))) ]

let kindsAndSizes: TheoryData<string, int> =
    let data = TheoryData<string, int>()
    for name, _ in kinds do
        for n in [ 1; 2; 3; 4; 7; 12; 19; 28; 40 ] do
            data.Add(name, n)
    data.Add("random", 200)
    data.Add("equal values", 200)
    data

let private make kind m n =
    (kinds |> List.find (fst >> (=) kind) |> snd) m n

/// That a difference is no more than rounding of numbers of a magnitude.
let private rounds what n (magnitude: float) (difference: Expr) =
    let error = largest difference
    Assert.True(error <= 30.0 * float (n + 1) * epsilon * magnitude, $"{what}: {error} of {magnitude}")

let private isOrthogonal what (q: Expr) =
    let n = q.Shape[q.Rank - 1]
    rounds what q.Shape[q.Rank - 2] 1.0 (matmul (t q) q - eye n)

[<Theory; MemberData(nameof kindsAndSizes)>]
let ``factors multiply to the matrix and have the form that they should`` (kind: string, n: int) =
    for m, n in [ n, n; n + 5, n; n, n + 3 ] do
        let a = constant (make kind m n)
        let size = largest a
        let q, r = qr a
        rounds "QR" (max m n) (size * sqrt (float m)) (matmul q r - a)
        isOrthogonal "Q" q
        Assert.Equal(
            0.0,
            largest (
                r
                - where
                    (lessEqual (iota [ min m n; n ] 0 DType.Int32) (iota [ min m n; n ] 1 DType.Int32))
                    r
                    (zerosLike r)
            )
        )
        Assert.All(numbers (diagonal 0 r), (fun d -> Assert.True(d >= 0.0)))
        let u, s, vt = svd a
        rounds "SVD" (max m n) (size * sqrt (float m)) (matmul (u * expandDims 0 s) vt - a)
        isOrthogonal "U" u
        isOrthogonal "V" (t vt)
        let s = numbers s
        Assert.Equal<float>(Array.sortDescending s, s)
        Assert.All(s, (fun x -> Assert.True(x >= 0.0)))
        let inverse = pinv a
        let product = matmul a inverse
        // Both products are symmetric; the larger the condition, the less so.
        if List.contains kind [ "random"; "of rank 1"; "zeros"; "ascending with a corner" ] then
            rounds "pinv" (max m n) (1e4 * float n) (product - t product)
            rounds "pinv" (max m n) (1e4 * float n * size) (matmul product a - a)
    let a = constant (make kind n n)
    let p, l, u = lu a
    rounds "LU" n (largest a * float n) (matmul p (matmul l u) - a)
    Assert.True(largest l <= 1.0)
    let values, vectors = eigh (a + t a)
    rounds "eigh" n (largest a * float n) (matmul (a + t a) vectors - vectors * expandDims 0 values)
    isOrthogonal "vectors" vectors
    Assert.Equal<float>(Array.sort (numbers values), numbers values)

[<Fact>]
let ``Cholesky factors and solutions of every size up to 40, and of 200`` () =
    for n in [ 0..40 ] @ [ 200 ] do
        let a, b = constant (random n n n), constant (random (n + 1) n 3)
        let spd = matmul a (t a) + 0.1 * eye n
        let l = cholesky spd
        rounds "Cholesky" n (float n) (matmul l (t l) - spd)
        let x = solve a b
        rounds "solve" n (float n * (1.0 + largest x)) (matmul a x - b)
        let x = choleskySolve l b
        rounds "Cholesky" n (float n * (1.0 + largest x)) (matmul spd x - b)
        for lower in [ true; false ] do
            let x = triangularSolve lower (a + 2.0 * eye n) b
            let triangle =
                let compare = if lower then greaterEqual else lessEqual
                where
                    (compare (iota [ n; n ] 0 DType.Int32) (iota [ n; n ] 1 DType.Int32))
                    (a + 2.0 * eye n)
                    (zerosLike a)
            rounds "triangular" n (float n * (1.0 + largest x)) (matmul triangle x - b)

[<Fact>]
let ``small singular values of a graded matrix are accurate`` () =
    // Columns of very different length, nearly at right angles: relative accuracy, not absolute.
    let a = leaf [ [ 1.0; 1e-12 ]; [ 0.0; 1e-12 ]; [ 0.0; 0.0 ] ]
    near 1e-14 [ 1.0; 1.0 ] (svdvals a * constant (NDArray.Create([| 1.0; 1e12 |], Shape [| 2 |])))

// ---- Exact values and derivatives -----------------------------------------------------------------------------------

/// Value, gradient with respect to each argument with a cotangent, within a relative tolerance.
let private exactly
    tolerance
    build
    (args: float list list list)
    (cotangent: float list)
    (value: float list)
    (gradients: float list list)
    =
    let xs = args |> List.map leaf
    let y: Expr = build xs
    near tolerance value y
    let g = constant (NDArray.Create(Array.ofList cotangent, y.Shape))
    for expected, actual in List.zip gradients (vjp y g xs) do
        near tolerance expected actual

[<Fact>]
let ``values and gradients that are known exactly`` () =
    let one (f: Expr -> Expr) (xs: Expr list) = f xs.Head
    exactly 1e-14 (one det) [ [ [ 1; 2 ]; [ 2; 4 ] ] ] [ 1 ] [ 0 ] [ [ 4; -2; -2; 1 ] ]
    exactly 1e-14 (one det) [ [ for _ in 1..3 -> [ 0; 0; 0 ] ] ] [ 1 ] [ 0 ] [ List.replicate 9 0.0 ]
    exactly 1e-14 (one det) [ [ [ -3 ] ] ] [ 1 ] [ -3 ] [ [ 1 ] ]
    exactly
        1e-14
        (one logdet)
        [ [ [ 1e-200; 0 ]; [ 0; 1e-200 ] ] ]
        [ 1 ]
        [ -921.0340371976183 ]
        [ [ 1e200; 0; 0; 1e200 ] ]
    exactly
        1e-14
        (one cholesky)
        [ [ [ 4; 2 ]; [ 2; 3 ] ] ]
        [ 2; 0; 4; 6 ]
        [ 2; 0; 1; 1.4142135623730951 ]
        [ [ 0.5303300858899106
            -0.06066017177982129
            -0.06066017177982129
            2.1213203435596424 ] ]
    exactly
        1e-14
        (one inverse)
        [ [ [ 1; 2 ]; [ 3; 4 ] ] ]
        [ 1; 0; 0; 1 ]
        [ -2; 1; 1.5; -0.5 ]
        [ [ -5.5; 3.75; 2.5; -1.75 ] ]
    let solve' (xs: Expr list) = solve xs[0] (reshape [ 2 ] xs[1])
    exactly
        1e-14
        solve'
        [ [ [ 3; 1 ]; [ 1; 2 ] ]; [ [ 9; 8 ] ] ]
        [ 1; -1 ]
        [ 2; 3 ]
        [ [ -1.2; -1.8; 1.6; 2.4 ]; [ 0.6; -0.8 ] ]
    // Without exchanging rows the solution would be 0, 1.
    exactly
        1e-14
        solve'
        [ [ [ 1e-20; 1 ]; [ 1; 1 ] ]; [ [ 1; 2 ] ] ]
        [ 1; 1 ]
        [ 1; 1 ]
        [ [ 0; 0; -1; -1 ]; [ 0; 1 ] ]
    let a = leaf [ [ 1; 2 ]; [ 3; 5 ] ]
    near 1e-14 [ -1; -0.5; 0; 1 ] (hvp (det a) [ a ] [ constant (matrix [ [ 1; 0 ]; [ 0.5; -1 ] ]) ]).Head

[<Fact>]
let ``the exponential: nilpotent, rotations, commuting, large and inverse`` () =
    near 1e-15 [ 1; 2; 3.5; 0; 1; 1; 0; 0; 1 ] (expm (leaf [ [ 0; 2; 2.5 ]; [ 0; 0; 1 ]; [ 0; 0; 0 ] ]))
    for angle in [ 1e-9; 0.1; 1.0; 40.0 ] do
        near
            1e-13
            [ cos angle; -(sin angle); sin angle; cos angle ]
            (expm (leaf [ [ 0; -angle ]; [ angle; 0 ] ]))
    near 1e-13 [ exp 1.0; 0; 0; exp -300.0 ] (expm (leaf [ [ 1; 0 ]; [ 0; -300 ] ]))
    near 0.0 [ 1; 0; 0; 1 ] (expm (leaf [ [ 0; 0 ]; [ 0; 0 ] ]))
    let a = variableOf "a" (random 5 12 12)
    let e, inverse = expm (3.0 * a), expm (-3.0 * a)
    rounds "inverse" 12 (largest e * largest inverse) (matmul e inverse - eye 12)
    // The derivative of exp(tA) is A·exp(tA), in every order.
    let time = variable "t" 0.7
    let y = trace (expm (time * a))
    let mutable expected, actual = expm (0.7 * a), y
    for _ in 1..4 do
        expected <- matmul a expected
        actual <- grad actual time
        near 1e-12 (numbers (trace expected)) actual

[<Fact>]
let ``powers, ranks, traces and diagonals`` () =
    let a = leaf [ [ 1; 1 ]; [ 0; 1 ] ]
    near 1e-15 [ 1; 10; 0; 1 ] (matrixPower 10 a)
    near 1e-15 [ 1; -3; 0; 1 ] (matrixPower -3 a)
    near 0.0 [ 1; 0; 0; 1 ] (matrixPower 0 a)
    near 0.0 [ 2 ] (trace a)
    near 0.0 [ 1; 5 ] (diagonal 0 (leaf [ [ 1; 2; 3 ]; [ 4; 5; 6 ] ]))
    near 0.0 [ 3; 0; 0; 4 ] (diag (leaf [ [ 3; 4 ] ]))
    for kind, rank in [ "of rank 1", 1.0; "zeros", 0.0; "random", 7.0; "small", 7.0 ] do
        near 0.0 [ rank ] (matrixRank (constant (make kind 9 7)))
    near 0.0 [ 2 ] (matrixRankWith 1e-3 (leaf [ [ 1; 0; 0 ]; [ 0; 0.1; 0 ]; [ 0; 0; 1e-4 ] ]))

[<Fact>]
let ``least squares of any shape and rank`` () =
    let b = variableOf "b" (NDArray.Create([| 1.0; 2.0; 4.0 |], Shape [| 3 |]))
    near 1e-14 [ 5.0 / 6.0; 1.5 ] (lstsq (leaf [ [ 1; 0 ]; [ 1; 1 ]; [ 1; 2 ] ]) b)
    // Of the solutions of one equation the shortest; of a matrix of rank 1 too.
    near 1e-14 [ 0.6; 1.2 ] (lstsq (leaf [ [ 1; 2 ] ]) (constant (NDArray.Create([| 3.0 |], Shape [| 1 |]))))
    near 1e-14 [ 3.5 / 3.0; 3.5 / 3.0 ] (lstsq (leaf [ [ 1; 1 ]; [ 1; 1 ]; [ 1; 1 ] ]) b)

// ---- Singular and degenerate matrices -----------------------------------------------------------------------------------

/// The determinant of small whole numbers by expansion.
let rec private expand (rows: float list list) =
    match rows with
    | [] -> 1.0
    | first :: rest ->
        first
        |> List.mapi (fun j x ->
            if x = 0.0 then
                0.0
            else
                (if j % 2 = 0 then x else -x) * expand (rest |> List.map (List.removeAt j)))
        |> List.sum

/// Derivatives along directions are those of the polynomial: divided out by whole steps of whole numbers.
[<Fact>]
let ``derivatives of determinants of every corank agree with the polynomial, to the third order`` () =
    let source = Random 5
    for n in 1..7 do
        for rank in 0..n do
            // A product of whole numbers of that rank.
            let whole rows columns =
                [ for _ in 1..rows -> [ for _ in 1..columns -> float (source.Next(-2, 3)) ] ]
            let left, right = whole n rank, whole rank n
            let rows =
                [ for i in 0 .. n - 1 ->
                      [ for j in 0 .. n - 1 ->
                            Seq.sum (seq { for k in 0 .. rank - 1 -> left[i][k] * right[k][j] }) ] ]
            let directions = [ for _ in 1..3 -> whole n n ]
            let value (steps: float list) =
                List.fold2
                    (fun m step d -> List.map2 (List.map2 (fun x e -> x + step * e)) m d)
                    rows
                    steps
                    directions
                |> expand
            // The coefficient of s·t·u, from the values at steps ±1, ±2 … as far as the degree asks: Lagrange's weights of the derivative at 0.
            let points = [ for k in -(n + 1) / 2 .. (n + 1) / 2 -> float k ]
            let weight p =
                let others = points |> List.filter ((<>) p)
                let denominator = others |> List.fold (fun product q -> product * (p - q)) 1.0
                let terms =
                    others
                    |> List.map (fun q ->
                        others |> List.filter ((<>) q) |> List.fold (fun product r -> product * -r) 1.0)
                List.sum terms / denominator
            let along1 f =
                points |> List.sumBy (fun p -> weight p * f p)
            let first = along1 (fun s -> value [ s; 0; 0 ])
            let a =
                variableOf "a" (NDArray.Create(rows |> List.concat |> Array.ofList, Shape [| n; n |]))
            let tangents = directions |> List.map (fun d -> constant (matrix d))
            let along (y: Expr) (k: int) = jvp y [ a ] [ tangents[k] ]
            let y = det a
            let close what (expected: float) (actual: Expr) =
                let scale = 1.0 + abs expected
                Assert.True(
                    abs (expected - item actual) <= 1e-9 * scale,
                    $"{n} rank {rank} {what}: {expected} {item actual}"
                )
            close "value" (value [ 0; 0; 0 ]) y
            close "first" first (along y 0)
            if n <= 5 then
                let second = along1 (fun s -> along1 (fun u -> value [ s; u; 0 ]))
                close "second" second (along (along y 0) 1)
                close "second, reverse" second (sum ((grad (sum (grad y a * tangents[0])) a) * tangents[1]))
            if n = 5 then
                let third = along1 (fun s -> along1 (fun u -> along1 (fun v -> value [ s; u; v ])))
                close "third" third (along (along (along y 0) 1) 2)

[<Fact>]
let ``gradients of determinants of matrices that are singular up to rounding`` () =
    for n in [ 5; 8; 20 ] do
        for missing in [ 0; 1; 2; 5; n ] do
            let values =
                NDArray.Create(
                    Array.init n (fun i -> if i < n - missing then 1.0 + 0.1 * float i else 0.0),
                    Shape [| n |]
                )
            let left, right =
                constant (orthogonal n), constant (eval (fst (qr (constant (random 3 n n)))))
            let a = variableOf "a" (eval (matmul (left * constant values) (t right)))
            // det A = det U · det V · Πσ, so that the cofactors are det U · det V · U·diag(Πσ without one)·Vᵀ.
            let others =
                NDArray.Create(
                    Array.init n (fun i -> floats values |> Array.removeAt i |> Array.fold (*) 1.0),
                    Shape [| n |]
                )
            let size = floats values |> Array.filter ((<>) 0.0) |> Array.fold (*) 1.0
            let sign = item (fst (slogdet left) * fst (slogdet right))
            let expected = sign * matmul (left * constant others) (t right)
            rounds $"{n} without {missing}" 100 size (grad (det a) a - expected)
            let second = hvp (det a) [ a ] [ constant (random 8 n n) ] |> List.head
            Assert.All(numbers second, Double.IsFinite >> Assert.True)
            if missing > 2 then
                rounds "second" 1000 size second

[<Fact>]
let ``determinants of no rows are 1, and of no matrices nothing`` () =
    near 0.0 [ 1; 1 ] (det (constant (NDArray.Zeros(DType.Float64, Shape [| 2; 0; 0 |]))))
    let sign, value =
        slogdet (constant (NDArray.Zeros(DType.Float64, Shape [| 0; 0 |])))
    near 0.0 [ 1; 0 ] (stack 0 [ sign; value ])
    for n in [ 0; 1; 3; 6 ] do
        let empty = variableOf "a" (NDArray.Zeros(DType.Float64, Shape [| 0; n; n |]))
        for f in
            [ det
              logdet
              inverse
              cholesky
              expm
              eigvalsh
              svdvals
              pinv
              symmetricLog
              qr >> fst
              matrixPower -2 ] do
            Assert.Empty(numbers (f empty))
            Assert.Empty(numbers (grad (f empty) empty))

[<Fact>]
let ``log determinants: sign, overflow, negative and singular`` () =
    let scaled = eval (1e150 * constant (random 3 9 9))
    let sign, value = slogdet (constant scaled)
    let unscaled = item (det (constant (random 3 9 9)))
    near 1e-12 [ float (Math.Sign unscaled); log (abs unscaled) + 9.0 * log 1e150 ] (stack 0 [ sign; value ])
    near
        0.0
        [ -1; 0; nan ]
        (let s, v = slogdet (leaf [ [ 0; 1 ]; [ 1; 0 ] ]) in
         stack 0 [ s; v; logdet (leaf [ [ 0; 1 ]; [ 1; 0 ] ]) ])
    let s, v = slogdet (leaf [ [ 1; 2 ]; [ 2; 4 ] ])
    near 0.0 [ 0.0; -infinity; -infinity ] (stack 0 [ s; v; logdet (leaf [ [ 1; 2 ]; [ 2; 4 ] ]) ])

/// Symmetric matrices with equal eigenvalues, exactly or up to rounding.
let private degenerate =
    [ matrix [ [ 2; 0; 0 ]; [ 0; 2; 0 ]; [ 0; 0; 2 ] ]
      matrix [ [ 2; 0; 0 ]; [ 0; 2; 0 ]; [ 0; 0; 5 ] ]
      make "equal values" 7 7 ]

/// Symmetric matrices with eigenvalues that differ by little.
let private nearlyDegenerate =
    [ for gap in [ 1e-14; 1e-9; 1e-4; 0.1; 0.4 ] ->
          matrix [ [ 2.0; 0; 0 ]; [ 0; 2.0 + gap; 0 ]; [ 0; 0; 2.0 + 3.0 * gap ] ] ]

[<Fact>]
let ``at equal eigenvalues sums over them have the right gradient`` () =
    for value in degenerate do
        let a = variableOf "a" value
        let values = eigvalsh a
        // Σλ³ = tr A³, Σ log λ = log det A, logsumexp λ.
        rounds "cubes" 10 100.0 (grad (sum (values * values * values)) a - 3.0 * matmul a a)
        rounds "logarithms" 10 10.0 (grad (sum (log values)) a - inverse a)
        let e = expm a
        rounds "logsumexp" 10 100.0 (grad (logsumexp values) a - e / trace e)

[<Fact>]
let ``at equal singular values their sum has the right derivatives of two orders`` () =
    for value in degenerate do
        // Turned, so that left and right vectors differ; the polar factor is what turns it.
        let n = value.Shape[0]
        let turn = constant (orthogonal n)
        let a = variableOf "a" (eval (matmul turn (constant value)))
        let y = sum (svdvals a)
        rounds "polar factor" 10 10.0 (grad y a - turn)
        // Along E the factor changes by turn·X with A₀·X + X·A₀ = K, the skew part 2 of turnᵀ·E.
        let e = constant (random 9 n n)
        let x = matmul (t turn) (jvp (grad y a) [ a ] [ e ])
        let k = matmul (t turn) e - t (matmul (t turn) e)
        rounds "its change" 10 100.0 (matmul (constant value) x + matmul x (constant value) - k)

[<Fact>]
let ``at equal eigenvalues functions of matrices have the right derivatives of every order`` () =
    for value in degenerate @ nearlyDegenerate do
        let a = variableOf "a" value
        let n = value.Shape[0]
        let e = let r = constant (random 4 n n) in r + t r
        let root = symmetricPower 0.5 a
        rounds "square" 10 10.0 (matmul root root - a)
        // R·R = A, differentiated once, twice and three times along E.
        let d1 = jvp root [ a ] [ e ]
        let d2 = jvp d1 [ a ] [ e ]
        let d3 = jvp d2 [ a ] [ e ]
        let twice x y = matmul x y + matmul y x
        rounds "first" 10 100.0 (twice root d1 - e)
        rounds "second" 10 1e3 (twice root d2 + 2.0 * matmul d1 d1)
        rounds "third" 10 1e4 (twice root d3 + 3.0 * twice d1 d2)
        rounds "reverse" 10 1e3 (grad (sum (grad (sum (root * e)) a * e)) a - grad (sum (d1 * e)) a)
        rounds "inverse" 10 10.0 (symmetricPower -1.0 a - inverse a)
        rounds "whole" 10 1e4 (symmetricPower 3.0 a - matrixPower 3 a)
        let high = symmetricPower 30.0 (0.4 * a)
        rounds "high" 100 (largest high) (high - matrixPower 30 (0.4 * a))
        let change = jvp (jvp high [ a ] [ e ]) [ a ] [ e ]
        rounds
            "high"
            1000
            (largest change)
            (change - jvp (jvp (matrixPower 30 (0.4 * a)) [ a ] [ e ]) [ a ] [ e ])
        let logarithm = symmetricLog a
        rounds "exp log" 10 100.0 (expm logarithm - a)
        rounds "exp log" 10 1e3 (jvp (expm logarithm) [ a ] [ e ] - e)
        rounds "exp log" 10 1e4 (jvp (jvp (expm logarithm) [ a ] [ e ]) [ a ] [ e ])

[<Fact>]
let ``where vectors are a choice, no derivative passes, and none is NaN`` () =
    for value in
        degenerate
        @ [ make "zeros" 3 3
            make "of rank 1" 4 4
            make "zeros" 4 2
            make "of rank 1" 4 3 ] do
        let a = variableOf "a" value
        let _, vectors = eigh (matmul a (t a))
        let u, s, vt = svd a
        for y in [ sum vectors; sum (square vectors * 0.3); sum u; sum (vt * s) ] do
            let g = grad y a
            Assert.All(numbers g, Double.IsFinite >> Assert.True)
            Assert.All(numbers (grad (sum (square g)) a), Double.IsFinite >> Assert.True)

[<Fact>]
let ``the square root of a singular matrix`` () =
    near 1e-15 (List.replicate 4 (sqrt 0.5)) (symmetricPower 0.5 (leaf [ [ 1; 1 ]; [ 1; 1 ] ]))
    near 0.0 (List.replicate 4 0.0) (symmetricPower 0.5 (leaf [ [ 0; 0 ]; [ 0; 0 ] ]))
    Assert.All(numbers (symmetricPower 0.5 (leaf [ [ 1; 2 ]; [ 2; 1 ] ])), Double.IsNaN >> Assert.True)

[<Fact>]
let ``signs of vectors: the largest component is positive`` () =
    for seed in 1..20 do
        let a = constant (random seed 6 6)
        let _, vectors = eigh a
        let _, _, vt = svd a
        for rows in [ t vectors; vt ] do
            for row in Array.chunkBySize 6 (numbers rows) do
                Assert.True(Array.maxBy abs row > 0.0)

// ---- NaN, infinity, batches, types --------------------------------------------------------------------------------------

let private all: (string * (Expr -> Expr)) list =
    [ "cholesky", cholesky
      "lu", (fun a -> let _, l, u = lu a in l + u)
      "qr", (fun a -> let q, r = qr a in q + r)
      "eigh", (fun a -> let w, v = eigh a in v + expandDims -1 w)
      "svd", (fun a -> let u, s, vt = svd a in u + vt + expandDims -1 s)
      "solve", (fun a -> solve a a)
      "triangular", (fun a -> triangularSolve true a a)
      "inverse", inverse
      "pinv", pinv
      "det", det
      "slogdet", (slogdet >> snd)
      "logdet", logdet
      "expm", expm
      "power", symmetricPower 0.5
      "log", symmetricLog ]

[<Fact>]
let ``NaN and infinity end in NaN or an error, at once`` () =
    for bad in [ nan; infinity; -infinity ] do
        for at in [ 0; 1; 4; 24 ] do
            let value =
                NDArray.Create(
                    Array.init 25 (fun i ->
                        if i = at then bad
                        elif i % 6 = 0 then 5.0
                        else 0.1),
                    Shape [| 5; 5 |]
                )
            for name, f in all do
                try
                    let a = variableOf "a" value
                    let y = numbers (f a)
                    let isRead = name <> "triangular" || at <> 1
                    if Double.IsNaN bad && isRead then
                        Assert.True(Array.exists Double.IsNaN y, name)
                    numbers (grad (sum (f a)) a) |> ignore
                with :? LinearAlgebraException ->
                    Assert.False(Double.IsNaN bad, name)

[<Fact>]
let ``a batch is its matrices one by one, in float32 too`` () =
    let value = eval (constant (spread 6 (-0.5, 0.5) [ 2; 3; 5; 5 ]) + 3.0 * eye 5)
    for name, f in all do
        let whole = f (constant value)
        for i in 0..1 do
            for j in 0..2 do
                let single = f (constant value |> at 0 i |> at 0 j)
                let part = whole |> at 0 i |> at 0 j
                Assert.Equal<float>(numbers single, numbers part)
        let narrow = f (cast DType.Float32 (constant value))
        Assert.Equal(DType.Float32, narrow.DType)
        let scale = 1.0 + largest whole
        Assert.True(largest (cast DType.Float64 narrow - whole) <= 1e-4 * scale, name)

[<Fact>]
let ``one factorisation serves a solution and its derivatives`` () =
    let a, b = variableOf "a" (random 1 4 4), variableOf "b" (random 2 4 2)
    let x = solve a b
    let roots =
        Array.ofList (
            x :: grads (sum (square x)) [ a; b ]
            @ [ hvp (sum (square x)) [ b ] [ x ] |> List.head ]
        )
    let factorisations =
        Graph.topological roots
        |> Array.filter (fun e -> e.Op = Op.Linalg Factorization.Lu)
    Assert.Single factorisations |> ignore

// ---- Errors -------------------------------------------------------------------------------------------------------------

let private says<'E when 'E :> exn> (words: string list) (f: unit -> obj) =
    let error = Assert.Throws<'E>(fun () -> f () |> ignore)
    for word in words do
        Assert.Contains(word, error.Message)

[<Fact>]
let ``numbers that do not allow it: what, where, and what to do`` () =
    let singular = leaf [ [ 1; 2 ]; [ 2; 4 ] ]
    says<LinearAlgebraException> [ "solve"; "singular"; "pivot 1"; "pinv" ] (fun () ->
        eval (inverse singular))
    says<LinearAlgebraException> [ "singular" ] (fun () ->
        eval (solve (leaf [ [ 0; 0 ]; [ 0; 0 ] ]) singular))
    says<LinearAlgebraException> [ "triangular_solve"; "singular" ] (fun () ->
        eval (triangularSolve true (leaf [ [ 0; 2 ]; [ 2; 4 ] ]) singular))
    says<LinearAlgebraException> [ "cholesky"; "positive definite"; "pivot 1" ] (fun () ->
        eval (cholesky (leaf [ [ 1; 2 ]; [ 2; 1 ] ])))
    let batch = NDArray.Zeros(DType.Float64, Shape [| 2; 3; 2; 2 |])
    for i in 0..5 do
        batch.Span<float>()[4 * i] <- 1.0
        batch.Span<float>()[4 * i + 3] <- (if i = 4 then -1.0 else 1.0)
    says<LinearAlgebraException> [ "at (1, 1) of the batch" ] (fun () -> eval (cholesky (constant batch)))
    Assert.IsAssignableFrom<ArithmeticException>(LinearAlgebraException "")
    |> ignore
    // Another value of the same plan works after a failure.
    let a = leaf [ [ 1; 2 ]; [ 2; 4 ] ]
    let y = inverse a
    says<LinearAlgebraException> [ "singular" ] (fun () -> eval y)
    assign a (matrix [ [ 2; 0 ]; [ 0; 4 ] ])
    near 0.0 [ 0.5; 0; 0; 0.25 ] y

[<Fact>]
let ``shapes and types that do not fit`` () =
    let wide, square = leaf [ [ 1; 2; 3 ]; [ 4; 5; 6 ] ], leaf [ [ 1; 2 ]; [ 3; 4 ] ]
    for name, f in
        [ "cholesky", cholesky
          "solve", (fun a -> solve a a)
          "triangular_solve", (fun a -> triangularSolve false a a)
          "cholesky_solve", (fun a -> choleskySolve a a)
          "inverse", inverse
          "eigh", eigvalsh
          "det", det
          "slogdet", (slogdet >> fst)
          "logdet", logdet
          "expm", expm
          "symmetric_power", symmetricPower 0.5
          "symmetric_log", symmetricLog
          "matrix_power", matrixPower 2 ] do
        says<ShapeException> [ name; "square"; "(2, 3)" ] (fun () -> f wide)
        says<ShapeException> [ name; "matrix in the last two axes"; "(3)" ] (fun () ->
            f (constant (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))))
        says<DTypeException> [ name; "float32 or float64"; "int32" ] (fun () -> f (cast DType.Int32 square))
    says<ShapeException> [ "solve"; "(2, 2)"; "(3)" ] (fun () ->
        solve square (constant (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))))
    says<ShapeException> [ "lstsq"; "(2, 3)"; "2 rows" ] (fun () -> lstsq wide (transpose wide))
    says<ShapeException> [ "solve"; "batch"; "broadcast" ] (fun () ->
        solve (broadcastTo [ 2; 2; 2 ] square) (broadcastTo [ 3; 2; 2 ] square))
    says<DTypeException> [ "solve"; "float64"; "float32" ] (fun () ->
        solve square (cast DType.Float32 square))
    says<ArgumentException> [ "pinv"; "tolerance" ] (fun () -> pinvWith -1.0 wide)
    says<ShapeException> [ "diagonal"; "(3)" ] (fun () ->
        diagonal 0 (constant (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))))

[<Fact>]
let ``every word of linear algebra is in a sample of the laws, or its derivative`` () =
    let flags = BindingFlags.NonPublic ||| BindingFlags.Public
    let used =
        [ for _, points, build in LinearAlgebraSamples.all do
              let xs = points |> List.map (variableOf "x")
              let y = build xs
              // Some words are met in derivatives only.
              for node in Graph.topological (y :: grads (sum y) xs) do
                  match node.Op with
                  | Op.Linalg word ->
                      (FSharpValue.GetUnionFields(word, typeof<Factorization>, flags) |> fst).Name
                  | _ -> () ]
        |> Set
    for case in FSharpType.GetUnionCases(typeof<Factorization>, flags) do
        Assert.Contains(case.Name, used)

// ---- The range of numbers -----------------------------------------------------------------------------------------------

let private scaled (numbers: float list) =
    leaf
        [ for i in 0 .. numbers.Length - 1 ->
              [ for j in 0 .. numbers.Length - 1 -> if i = j then numbers[i] else 0.0 ] ]

[<Fact>]
let ``determinants leave the range only where they must`` () =
    near 1e-15 [ 1 ] (det (scaled [ 1e200; 1e-200; 1e200; 1e-200 ]))
    near 1e-15 [ 1 ] (det (scaled [ 1e300; 1e300; 1e300; 1e-300; 1e-300; 1e-300 ]))
    near 1e-15 [ 1e-100 ] (det (scaled [ 1e-200; 1e-200; 1e300 ]))
    near 0.0 [ infinity ] (det (scaled [ 1e200; -1e200; -1.0 ]))
    near 0.0 [ 0 ] (det (scaled [ 1e-200; 1e-200; 1.0 ]))
    // Rows and columns that are both far apart: 2 − 1 with every product of magnitude 1.
    near 1e-15 [ 1 ] (det (leaf [ [ 1e200; 1e-200 ]; [ 1e200; 2e-200 ] ]))
    near 0.0 [ nan ] (det (leaf [ [ 0; nan ]; [ 0; 1 ] ]))
    // Subnormal numbers and rows of zeros.
    near 1e-12 [ 1e-10 ] (det (scaled [ 1e-310; 1e300 ]))
    near 0.0 [ 0 ] (det (scaled [ 1e200; 0.0; 1e200 ]))
    let a =
        leaf
            [ [ 1e200; 0; 0; 0 ]
              [ 0; 1e-200; 0; 0 ]
              [ 0; 0; 1e200; 0 ]
              [ 0; 0; 0; 1e-200 ] ]
    for i, expected in [ 0, 1e-200; 5, 1e200; 10, 1e-200; 15, 1e200 ] do
        Assert.Equal(1.0, (numbers (grad (det a) a))[i] / expected, 1e-14)
    let wide =
        leaf
            [ for i in 0..5 ->
                  [ for j in 0..5 ->
                        if i <> j then 0.0
                        elif i % 2 = 0 then 1e200
                        else 1e-200 ] ]
    let gradient = numbers (grad (det wide) wide)
    for i in 0..5 do
        Assert.Equal(1.0, gradient[7 * i] * (if i % 2 = 0 then 1e200 else 1e-200), 1e-14)
    // The product of what is left underflows, a factor of it does not.
    let small = leaf [ [ 1e-200; 0 ]; [ 0; 1e-200 ] ]
    near 1e-14 [ 1e-200; 0; 0; 1e-200 ] (grad (det small) small * 1.0)
    Assert.Equal(1.0, (numbers (grad (det small) small))[0] * 1e200, 1e-14)

[<Fact>]
let ``determinants of float32 are those of float64, rounded once`` () =
    let narrow n (f: int -> int -> float) =
        let rounded = Array.init (n * n) (fun k -> float32 (f (k / n) (k % n)))
        let at dtype =
            variableOf "a" (NDArray.Create(Array.map float rounded, Shape [| n; n |]))
            |> eval
            |> constant
            |> cast dtype
        at DType.Float32, at DType.Float64
    for n in 1..9 do
        let single, double = narrow n (fun i j -> 1.0 / float (i + j + 1))
        Assert.Equal(float32 (item (det double)), (eval (det single)).ToArray<float32>()[0])
    let hilbert, _ = narrow 4 (fun i j -> 1.0 / float (i + j + 1))
    Assert.Equal(1.653476e-7, item (det hilbert), 1e-13)
    let apart =
        constant (NDArray.Create([| 1e20f; 0f; 0f; 0f; 1e20f; 0f; 0f; 0f; 1e-10f |], Shape [| 3; 3 |]))
    Assert.Equal(1.0, item (det apart) / 1e30, 1e-6)
    let a = variableOf "a" (eval apart)
    for i, expected in [ 0, 1e10; 4, 1e10 ] do
        Assert.Equal(1.0, float ((eval (grad (det a) a)).ToArray<float32>()[i]) / expected, 1e-6)
    Assert.Equal(infinityf, (eval (grad (det a) a)).ToArray<float32>()[8])

[<Fact>]
let ``the value of a determinant is one elimination`` () =
    let words y =
        Graph.topological [| y |]
        |> Array.choose (fun e ->
            match e.Op with
            | Op.Linalg word -> Some word
            | _ -> None)
    Assert.Equal<Factorization[]>(
        [| Factorization.Det false |],
        words (det (leaf [ for i in 0..6 -> [ for j in 0..6 -> float (i * j % 5) ] ]))
    )

[<Fact>]
let ``factors of oblong matrices`` () =
    for m, n in [ 5, 3; 3, 5; 4, 1; 1, 4; 6, 5 ] do
        let a = constant (random 41 m n)
        let p, l, u = lu a
        let k = min m n
        Assert.Equal(Shape [| m; m |], p.Shape)
        Assert.Equal(Shape [| m; k |], l.Shape)
        Assert.Equal(Shape [| k; n |], u.Shape)
        rounds $"lu {m}x{n}" 10 1.0 (matmul p (matmul l u) - a)
        near 0.0 (List.replicate (m * k) 0.0) (triu 1 l)
        near 0.0 (List.replicate (k * n) 0.0) (tril -1 u)
        near 0.0 (List.replicate k 1.0) (einsum "ii->i" [ slice 0 None (Some k) 1 l ])
        Assert.All(numbers l, (fun x -> Assert.True(abs x <= 1.0)))
    // A column that depends on others: the factors are there, their derivative is not.
    let short = leaf [ [ 1; 2 ]; [ 2; 4 ]; [ 4; 8 ] ]
    let p, l, u = lu short
    near 1e-15 [ 1; 2; 2; 4; 4; 8 ] (matmul p (matmul l u))

[<Fact>]
let ``where there is no derivative the operation that was called says so`` () =
    let singular = leaf [ [ 1; 2 ]; [ 2; 4 ] ]
    says<LinearAlgebraException> [ "slogdet:"; "singular"; "pivot 1"; "det" ] (fun () ->
        eval (grad (snd (slogdet singular)) singular))
    says<LinearAlgebraException> [ "logdet:"; "singular" ] (fun () -> eval (grad (logdet singular) singular))
