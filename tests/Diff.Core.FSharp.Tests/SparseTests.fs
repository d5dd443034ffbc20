/// Patterns, colourings, and the derivatives that they give.
module SparseTests

open System
open Xunit
open Diff
open Diff.Testing.Generators
open Diff.Testing.Samples

let private vector n =
    variableOf "x" (spread 1 (0.5, 1.5) [ n ])

let private close (a: Expr) (b: Expr) =
    let a, b = eval a, eval b
    Assert.Equal(a.Shape, b.Shape)
    for x, y in Array.zip (floats a) (floats b) do
        Assert.True(abs (x - y) <= 1e-10 * (1.0 + abs x), $"{x} and {y}")

let private flat (y: Expr) (x: Expr) j =
    reshape [ y.Shape.Length; x.Shape.Length ] j

/// The same as the whole Jacobian, in every mode, by so many colours.
let private agrees columns rows (y: Expr) (x: Expr) =
    let expected = flat y x (jacobianBy JacobianMode.Rows y x)
    for mode, colors in
        [ JacobianMode.Columns, columns
          JacobianMode.Rows, rows
          JacobianMode.Auto, min columns rows ] do
        let found = sparseJacobianBy mode y x
        close expected (found.ToDense())
        Assert.Equal(colors, found.Colors)

let private agreesTwice colors (y: Expr) (x: Expr) =
    let found = sparseHessian y x
    close (flat x x (jacobianBy JacobianMode.Rows (grad y x) x)) (found.ToDense())
    Assert.Equal(colors, found.Colors)

let private inner (x: Expr) = slice 0 (Some 1) (Some -1) 1 x
let private left (x: Expr) = slice 0 None (Some -2) 1 x
let private right (x: Expr) = slice 0 (Some 2) None 1 x

[<Fact>]
let ``a tridiagonal system needs three colours`` () =
    let x = vector 20
    let z = pad [ 1, 1 ] x
    // Broyden's tridiagonal function.
    let y = (3.0 - 2.0 * x) * x - left z - 2.0 * right z + 1.0
    agrees 3 3 y x
    let pattern = sparsityOf y x
    Assert.Equal(3 * 20 - 2, pattern.Count)
    Assert.True(pattern.Contains(3, 4) && not (pattern.Contains(3, 5)))
    // The Hessian of the sum of squares is pentadiagonal; that of a chain is tridiagonal.
    agreesTwice 5 (sum (y * y)) x
    let a, b = slice 0 None (Some -1) 1 x, slice 0 (Some 1) None 1 x
    agreesTwice 3 (sum (square (b - a * a)) + sum (square (1.0 - a))) x

[<Fact>]
let ``a matrix of constants shows its zeros`` () =
    let n = 12
    let numbers =
        Array2D.init n n (fun i j -> if abs (i - j) <= 1 then 1.0 + float (i + j) else 0.0)
    let a =
        constant (NDArray.Create(Seq.toArray (Seq.cast<float> numbers), Shape [| n; n |]))
    let x = vector n
    agrees 3 3 (sin (matmul a x)) x
    agreesTwice 5 (sum (exp (matmul a (0.01 * x)))) x

[<Fact>]
let ``blocks need as many colours as one of them`` () =
    let x = variableOf "x" (spread 2 (0.5, 1.5) [ 6; 4 ])
    let w = variableOf "w" (spread 3 (-1.0, 1.0) [ 4; 4 ])
    agrees 4 4 (tanh (matmul x w)) x
    Assert.Equal(6 * 16, (sparsityOf (matmul x w) x).Count)
    agreesTwice 4 (sum (square (tanh (matmul x w)))) x

[<Fact>]
let ``an arrow is cheap only by symmetry`` () =
    let n = 10
    let x = vector n
    let head, rest = slice 0 None (Some 1) 1 x, slice 0 (Some 1) None 1 x
    let y = concat 0 [ sum (x * x) |> reshape [ 1 ]; rest * rest * head ]
    agrees n n y x
    agreesTwice 2 (sum (sin rest * head) + sum (rest * rest * rest)) x

[<Fact>]
let ``full and empty matrices`` () =
    let x = vector 5
    agrees 5 1 (sum (x * x) * sum x |> reshape [ 1 ]) x
    let w = variableOf "w" (spread 3 (-1.0, 1.0) [ 5; 5 ])
    agrees 5 5 (matmul w (exp x)) x
    let none = sparseJacobian (stopGradient x) x
    Assert.Equal(0, none.Pattern.Count)
    close (zerosLike w) (none.ToDense())
    Assert.Equal(0, (sparseHessian (sum x) x).Pattern.Count)
    agreesTwice 1 (sum (exp x)) x

[<Fact>]
let ``one row needs one reverse product`` () =
    let x = vector 6
    let found = sparseJacobian (sum (x * x)) x
    Assert.Equal(1, found.Colors)
    close (reshape [ 1; 6 ] (2.0 * x)) (found.ToDense())

let words: TheoryData<string> = TheoryData<string>(table |> Seq.map fst)

[<Theory; MemberData(nameof words)>]
let ``no operation has a derivative outside of its pattern`` (case: string) =
    let samples = table |> List.find (fst >> (=) case) |> snd |> Option.defaultValue []
    for s in samples do
        let xs = s.Points |> List.map (variableOf "x")
        let y = s.Build xs
        if DType.isFloat y.DType then
            for x in xs |> List.filter (fun x -> DType.isFloat x.DType) do
                if x.Shape.Length * y.Shape.Length < 4000 then
                    let pattern = sparsityOf y x
                    let j = eval (flat y x (jacobian y x))
                    let n = x.Shape.Length
                    for i in 0 .. j.Length - 1 do
                        let isThere = pattern.Contains(i / n, i % n)
                        Assert.True(
                            isThere || j.Float i = 0.0,
                            $"{s.Name}: ({i / n}, {i % n}) is {j.Float i}"
                        )

[<Fact>]
let ``patterns are exact for moves, windows, gathers and running values`` () =
    let x = vector 8
    let exact (y: Expr) =
        let pattern, j = sparsityOf y x, eval (flat y x (jacobian y x))
        let full = floats j |> Array.filter (fun v -> v <> 0.0) |> Array.length
        Assert.Equal(full, pattern.Count)
    exact (reshape [ 2; 4 ] x |> transpose |> sin)
    exact (gather 0 (constant (NDArray.Create([| 3; 3; 0 |], Shape [| 3 |]))) (exp x))
    exact (scatterAdd 0 [ 5 ] (constant (NDArray.Create([| 0; 1; 2; 3; 4; 0; 1; 2 |], Shape [| 8 |]))) x)
    exact (cumsum 0 x)
    exact (conv (constant (spread 3 (0.1, 1.0) [ 1; 1; 3 ])) (reshape [ 1; 1; 8 ] x))
    exact (concat 0 [ x; 2.0 * x; full [ 3 ] DType.Float64 1.0 ])
    exact (where (constant (booleans 3 [ 8 ])) x (flip [ 0 ] x))

[<Fact>]
let ``derivatives of one's own are followed by their rules`` () =
    let x = vector 5
    // Straight through a step: the function has no derivative, its rule has.
    let y = customGrad (fun (x: Expr) -> round x) (fun _ _ g -> g) x
    agrees 1 1 y x
    let shifted = customJvp (fun (x: Expr) -> x * x) (fun x _ v -> 2.0 * x * v) x
    agrees 1 1 (checkpoint (fun xs -> sin xs.Head) [ shifted ]) x

[<Fact>]
let ``sparse derivatives are graphs: they differentiate, map and compile`` () =
    let x = vector 6
    let a, b = slice 0 None (Some -1) 1 x, slice 0 (Some 1) None 1 x
    let f (x: Expr) = sum (square (b - a * a))
    let j = sparseJacobian (a * b * b) x
    close (grad (sum (square (jacobian (a * b * b) x))) x) (grad (sum (square j.Values)) x)
    let h = sparseHessian (f x) x
    close (grad (sum (square (hessian (f x) x))) x) (grad (sum (square h.Values)) x)
    let point = spread 4 (0.5, 1.5) [ 3; 6 ]
    let values (x: Expr) =
        (sparseHessian (sum (exp x * x)) x).Values
    close (constant point |> fun x -> (x + 2.0) * exp x) (vmap values (variableOf "xs" point))

[<Fact>]
let ``random symmetric patterns are recovered from few products`` () =
    for seed in 1..10 do
        let random = Random seed
        let n = 14
        let edges =
            [| for i in 0 .. n - 1 do
                   for j in i + 1 .. n - 1 do
                       if random.NextDouble() < 0.2 then
                           i, j |]
        let x = vector n
        let at (k: int[]) =
            gather 0 (constant (NDArray.Create(k, Shape [| k.Length |]))) x
        if edges.Length > 0 then
            let y = sum (sin (at (Array.map fst edges) * at (Array.map snd edges)))
            let found = sparseHessian y x
            close (hessian y x) (found.ToDense())
            Assert.True(found.Colors < n)

/// u ← u + (neighbours' mean − u)/4, the ends fixed.
let private diffused (u: Expr) =
    concat
        0
        [ slice 0 None (Some 1) 1 u
          0.75 * inner u + 0.125 * (left u + right u)
          slice 0 (Some -1) None 1 u ]

[<Fact>]
let ``loops are looked into`` () =
    let x = vector 24
    let stepped n (f: Expr -> Expr) =
        (scanWith (LoopOptions.Default.WithLength n) (fun s _ -> [ f s.Head ], []) [ x ] []
         |> fst)
            .Head
    // Index by index, however long; neighbours of neighbours as far as there are iterations.
    agrees 1 1 (stepped 1000 (fun s -> sin (square s))) x
    for n in [ 1; 2; 3 ] do
        agrees (2 * n + 1) (2 * n + 1) (stepped n diffused) x
    // Slices, states of several sweeps, and what is stacked.
    let _, ys =
        scan (fun s a -> [ 0.5 * s.Head ], [ a.Head * s.Head ]) [ scalar 1.0 ] [ reshape [ 6; 4 ] x ]
    agrees 1 1 ys.Head x
    let last, ys =
        scan (fun s a -> [ s.Head + sin a.Head ], [ s.Head ]) [ scalar 0.0 ] [ x ]
    let pattern = sparsityOf ys.Head x
    Assert.Equal(24 * 23 / 2, pattern.Count)
    agreesTwice 1 last.Head x
    // A Hessian, whose gradient is a loop of two sweeps: as without a loop.
    let twice = sparseHessian (sum (square (stepped 2 (fun s -> sin (diffused s))))) x
    let plain = sparseHessian (sum (square (sin (diffused (sin (diffused x)))))) x
    Assert.Equal<int[]>(plain.ColumnIndices, twice.ColumnIndices)
    Assert.Equal(plain.Colors, twice.Colors)
    close (plain.ToDense()) (twice.ToDense())
    // Length unknown: what iterations have in common.
    let ended =
        whileLoop
            (fun s -> less (sum s.Head) (scalar 1e3))
            (fun s -> [ s.Head * (1.0 + square s.Head) ])
            [ x ]
    agrees 1 1 ended.Head x

[<Fact>]
let ``long loops and branches are looked into too`` () =
    let x = vector 30
    let long n =
        (scanWith
            (LoopOptions.Default.WithLength n)
            (fun s _ -> [ sin s.Head + 0.1 * s.Head ], [ cos s.Head ])
            [ x ]
            [])
    let last, ys = long 60_000
    Assert.Equal(30, (sparsityOf last.Head x).Count)
    Assert.Equal(30 * 60_000, (sparsityOf ys.Head x).Count)
    let far =
        (scanWith (LoopOptions.Default.WithLength 60_000) (fun s _ -> [ diffused s.Head ], []) [ x ] []
         |> fst)
            .Head
    Assert.Equal(28 * 30 + 2, (sparsityOf far x).Count)
    let y =
        cond (greater (sum x) (scalar 0.0)) (fun a -> [ sin a.Head ]) (fun a -> [ diffused a.Head ]) [ x ]
    agrees 3 3 y.Head x

[<Fact>]
let ``what has no derivatives is refused`` () =
    let x = vector 3
    Assert.Contains(
        "int32",
        Assert.Throws<DTypeException>(fun () -> sparsityOf (cast DType.Int32 x) x |> ignore).Message
    )
    Assert.Contains("scalar", Assert.Throws<ShapeException>(fun () -> sparseHessian x x |> ignore).Message)

/// The whole matrix is what rows and columns give, to the same shape, also a derivative later and for many points at once.
let private isWhole (y: Expr) (x: Expr) =
    let found = jacobian y x
    close (jacobianBy JacobianMode.Rows y x) found
    close (jacobianBy JacobianMode.Columns y x) found
    close (grad (sum (square (jacobianBy JacobianMode.Rows y x))) x) (grad (sum (square found)) x)

let private listing (e: Expr) = Print.Listing e

[<Fact>]
let ``a whole matrix of few colours is made from few products`` () =
    let x = vector 20
    let z = pad [ 1, 1 ] x
    let band = (3.0 - 2.0 * x) * x - left z - 2.0 * right z + 1.0
    isWhole band x
    Assert.Contains("scatter_add", listing (jacobian band x))
    let y =
        sum (square (slice 0 (Some 1) None 1 x - square (slice 0 None (Some -1) 1 x)))
    close (jacobianBy JacobianMode.Rows (grad y x) x) (hessian y x)
    Assert.Contains("scatter_add", listing (hessian y x))
    // All depend on all, or there are too few to look: no colours.
    let dense = x * sum x
    isWhole dense x
    Assert.DoesNotContain("scatter_add", listing (jacobian dense x))
    let few = vector 7
    isWhole (sin few) few
    Assert.DoesNotContain("scatter_add", listing (jacobian (sin few) few))

[<Fact>]
let ``a whole matrix by colours has all axes`` () =
    let x = variableOf "x" (spread 2 (0.5, 1.5) [ 3; 8 ])
    isWhole (exp x) x
    isWhole (transpose (log x)) x
    Assert.Equal(Shape [| 8; 3; 3; 8 |], (jacobian (transpose (log x)) x).Shape)
    let single =
        variableOf "x" (NDArray.Create(Array.init 24 (fun i -> 0.5f + float32 i), Shape [| 24 |]))
    Assert.Equal(DType.Float32, (jacobian (exp single) single).DType)
    let points = variableOf "points" (spread 3 (0.5, 1.5) [ 5; 9 ])
    let each = vmap (fun u -> jacobian (sin u * u) u) points
    let rows = vmap (fun u -> jacobianBy JacobianMode.Rows (sin u * u) u) points
    close rows each

[<Fact>]
let ``a whole matrix of a layer multiplies no unit matrix`` () =
    let w = variableOf "w" (spread 1 (-0.5, 0.5) [ 9; 12 ])
    let x = vector 12
    for activation in [ tanh; sigmoid; (fun z -> z * z * z) ] do
        let y = activation (einsum "ij,j->i" [ w; x ])
        isWhole y x
        let points = vector 9
        isWhole (einsum "ij,i->j" [ w; activation points ]) points
        for mode in [ JacobianMode.Rows; JacobianMode.Columns; JacobianMode.Auto ] do
            Assert.DoesNotContain("literal", listing (jacobianBy mode y x))

[<Fact>]
let ``a unit direction does not meet what belongs to another`` () =
    // ∂y₀/∂x₁ of products with an infinite weight elsewhere is a number.
    let w = constant (NDArray.Create([| infinity; 2.0; 3.0; 4.0 |], Shape [| 2; 2 |]))
    let x = vector 2
    let j = eval (jacobian (einsum "ij,j->i" [ w; x ]) x)
    Assert.Equal<float>([ infinity; 2.0; 3.0; 4.0 ], floats j)

[<Fact>]
let ``a Jacobian has the element type of what it is taken by, in every mode`` () =
    for n in [ 3; 7; 40 ] do
        let x = vector n
        let narrow = cast DType.Float32 (x * x)
        let single = variableOf "x" (NDArray.Create(Array.create n 0.5f, Shape [| n |]))
        let wide = cast DType.Float64 (single * single)
        for mode in [ JacobianMode.Auto; JacobianMode.Rows; JacobianMode.Columns ] do
            Assert.Equal(DType.Float64, (jacobianBy mode narrow x).DType)
            Assert.Equal(DType.Float32, (jacobianBy mode wide single).DType)
            Assert.Equal(DType.Float32, (sparseJacobianBy mode wide single).Values.DType)

[<Fact>]
let ``looking for a pattern runs no loop and fails for no value`` () =
    let x = vector 20
    let many =
        whileLoop (fun s -> less s.Head (scalar 1e12)) (fun s -> [ s.Head + 1.0 ]) [ scalar 0.0 ]
        |> List.head
    let none = cholesky (constant (NDArray.Create([| -1.0 |], Shape [| 1; 1 |])))
    for factor in [ many; sum none ] do
        let y = x * x * broadcastTo [ 20 ] factor
        let began = Diagnostics.Stopwatch.StartNew()
        Assert.Equal(Shape [| 20; 20 |], (jacobian y x).Shape)
        Assert.Equal(20, (sparsityOf y x).Count)
        // So many iterations take hours.
        Assert.True(began.Elapsed.TotalMinutes < 2.0)

[<Fact>]
let ``what is known of constants is found once, however many ask for what depends on it`` () =
    // Each mask is made of the one before: to look through all that is below each of them again would take many minutes.
    let n, steps = 40, 6_000
    let x = tensor "x" [ n ] (Array.init n float)
    let mutable mask = cast DType.Float64 (iota [ n ] 0 DType.Int64)
    let mutable y = x
    for k in 1..steps do
        mask <- mask + 0.0 * mask
        if k % 10 = 0 then
            y <- where (greater mask (scalar (float (n - 2)))) (slice 0 None None -1 y) y
    let clock = Diagnostics.Stopwatch.StartNew()
    let pattern = sparsityOf y x
    Assert.True(clock.Elapsed < TimeSpan.FromSeconds 60.0, $"{clock.Elapsed}")
    // Only the last element is from the other end.
    Assert.Equal<int>(Array.append [| 0 .. n - 2 |] [| 0 |], pattern.ColumnIndices)
/// The Jacobian of each place of a batch, cut out of the whole one.
let private placesOf (y: Expr) (x: Expr) =
    let whole = jacobian y x
    stack 0 [ for i in 0 .. x.Shape[0] - 1 -> whole |> at 0 i |> at (y.Rank - 1) i ]

[<Fact>]
let ``a batch's Jacobians are the blocks of the whole one`` () =
    let x = variableOf "x" (spread 1 (0.5, 1.5) [ 4; 3 ])
    let w = variableOf "w" (spread 2 (0.5, 1.5) [ 3; 2 ])
    let check (y: Expr) (x: Expr) =
        let found = batchJacobian y x
        Assert.Equal<int>(Array.append (y.Shape.ToArray()) (x.Shape.ToArray()[1..]), found.Shape.ToArray())
        close (placesOf y x) found
        let weights = constant (spread 3 (-1.0, 1.0) (List.ofArray (found.Shape.ToArray())))
        close (grad (sum (weights * placesOf y x)) x) (grad (sum (weights * found)) x)
    // Fewer results, fewer arguments, as many, one of each.
    check (sin (matmul x w)) x
    check (einsum "bi,bj->bij" [ x; exp x ]) x
    check (x * expandDims 1 (sumOver [ 1 ] x)) x
    let t = slice 1 None (Some 1) 1 x
    check (tanh t) t
    let s = at 1 0 x
    check (s * s) s

[<Fact>]
let ``a batch's Jacobians of a constant, of nothing, and of shapes that are no batch`` () =
    let x = variableOf "x" (spread 1 (0.5, 1.5) [ 4; 3 ])
    Assert.All(
        floats (eval (batchJacobian (constant (spread 2 (0.0, 1.0) [ 4; 2 ])) x)),
        (fun v -> Assert.Equal(0.0, v))
    )
    let empty = slice 0 (Some 0) (Some 0) 1 x
    Assert.Equal<int>([| 0; 3; 3 |], (eval (batchJacobian (sin empty) empty)).Shape.ToArray())
    let refused (y: Expr) =
        let e = Assert.Throws<ShapeException>(fun () -> batchJacobian y x |> ignore)
        Assert.Contains("batch_jacobian", e.Message)
        Assert.Contains($"{y.Shape}", e.Message)
    refused (sum x)
    refused (transpose x)
    Assert.Throws<DTypeException>(fun () -> batchJacobian (greater x (Expr.op_Implicit 0.5)) x |> ignore)
    |> ignore

[<Fact>]
let ``a batch's Jacobians take no more products than one place`` () =
    // A whole Jacobian of this batch would have 10¹² elements.
    let x = variableOf "x" (spread 1 (0.5, 1.5) [ 500000; 2 ])
    let found = eval (batchJacobian (x * x) x) |> floats
    let x = floats (eval x)
    Assert.Equal(2.0 * x[7], found[4 * 3 + 3], 12)
    Assert.Equal(0.0, found[4 * 3 + 2])
