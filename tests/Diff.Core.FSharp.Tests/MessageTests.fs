/// What the common mistakes say, word for word: which operation, what it expected, what it was given, what to do.
module MessageTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private says<'E, 'T when 'E :> exn> (message: string) (mistake: unit -> 'T) =
    Assert.Equal(message, withoutLine (Assert.Throws<'E>(fun () -> mistake () |> ignore)))

let private refusesShape message (mistake: unit -> Expr) = says<ShapeException, _> message mistake
let private refusesType message (mistake: unit -> Expr) = says<DTypeException, _> message mistake

let private array name (shape: int list) = input name shape DType.Float64
let private x = array "x" [ 2; 3 ]
let private b = array "b" [ 4 ]
let private n = input "n" [ 3 ] DType.Int32
let private flag = input "flag" [ 3 ] DType.Bool
let private v = array "v" [ 3 ]
let private half = input "half" [ 3 ] DType.Float32

// ---- Index by index ---------------------------------------------------------------------------------------------------

[<Fact>]
let ``shapes that do not broadcast`` () =
    refusesShape
        "add: shapes (2, 3) of \"x\" and (4) of \"b\" do not broadcast: axis -1 is 3 in one and 4 in the other; extents must be equal or 1, so give one an axis of extent 1 where it repeats"
        (fun () -> x + b)
    refusesShape
        "mul: shapes (2, 3) of \"x\" and (5, 4, 3) do not broadcast: axis -2 is 2 in one and 4 in the other; extents must be equal or 1, so give one an axis of extent 1 where it repeats"
        (fun () -> x * array "" [ 5; 4; 3 ])

[<Fact>]
let ``element types that do not mix`` () =
    refusesType
        "sub: element types float32 of \"half\" and float64 of \"v\" do not mix; cast one of them"
        (fun () -> half - v)
    refusesType "mul: element types float64 and int32 of \"n\" do not mix; cast one of them" (fun () ->
        exp v * n)
    refusesType
        "where: element types float64 of \"v\" and float32 of \"half\" do not mix; cast one of them"
        (fun () -> where flag v half)

[<Fact>]
let ``functions of floats of integers, and of numbers of bools`` () =
    refusesType "sin: expected float32 or float64, got int32; cast it" (fun () -> sin n)
    refusesType "erf: expected float32 or float64, got int32; cast it" (fun () -> erf n)
    refusesType "div: expected numbers, got bool; cast it" (fun () -> flag / flag)
    refusesType "add: expected numbers, got bool; cast it" (fun () -> flag + flag)
    refusesType "and: expected bool, got int32; cast it" (fun () -> logicalAnd n n)
    refusesType "where: the condition is bool, got float64; compare it with something" (fun () -> where v v v)
    refusesType "mean: expected float32 or float64, got int32; cast it" (fun () -> mean n)

[<Fact>]
let ``constants that the element type cannot hold`` () =
    refusesType "constant: 0.5 is not a value of int32; cast the other operand to a float type" (fun () ->
        n * 0.5)
    refusesType "constant: NaN is not a value of int64; cast the other operand to a float type" (fun () ->
        full [ 2 ] DType.Int64 nan)
    refusesType "constant: 2 is not a value of bool; cast the other operand to a float type" (fun () ->
        full [] DType.Bool 2.0)
    refusesType "constant: 3000000000 is not a value of int32; use int64" (fun () ->
        n + Expr.op_Implicit 3000000000L)

[<Fact>]
let ``bounds the wrong way round`` () =
    says<ArgumentException, _> "clip: expected low <= high, got 1 and -1 (Parameter 'low')" (fun () ->
        clip 1.0 -1.0 v)

// ---- einsum -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``einsum: notation that cannot be read`` () =
    refusesShape
        "einsum \"i1,jk->ik\": '1' in operand 0 is not a letter; write labels as letters, operands apart by ',' and one '->'"
        (fun () -> einsum "i1,jk->ik" [ x; x ])
    refusesShape
        "einsum \"ij->i->j\": '-' in the output is not a letter; write labels as letters, operands apart by ',' and one '->'"
        (fun () -> einsum "ij->i->j" [ x ])
    refusesShape
        "einsum \"i...j...->ij\": '.' in operand 0 is not a letter; write labels as letters, operands apart by ',' and one '->'"
        (fun () -> einsum "i...j...->ij" [ x ])

[<Fact>]
let ``einsum: operands that the notation does not name`` () =
    refusesShape "einsum \"ij,jk->ik\": the notation names 2 operands, got 1; commas separate them" (fun () ->
        einsum "ij,jk->ik" [ x ])
    refusesShape "einsum \"ij->ji\": the notation names 1 operands, got 2; commas separate them" (fun () ->
        einsum "ij->ji" [ x; x ])
    says<ArgumentException, _>
        "einsum \"\": expected at least one operand, got none (Parameter 'args')"
        (fun () -> einsum "" [])

[<Fact>]
let ``einsum: labels and axes`` () =
    refusesShape
        "einsum \"ijk->i\": operand 0 has 3 labels for the 2 axes of shape (2, 3); give each axis a label, or let ... stand for the rest"
        (fun () -> einsum "ijk->i" [ x ])
    refusesShape
        "einsum \"ij,jk->ik\": axis 'j' is 2 in operand 1 of shape (2, 3), but 3 in operand 0 of shape (2, 3)"
        (fun () -> einsum "ij,jk->ik" [ x; x ])
    refusesShape
        "einsum \"ii->\": axis 'i' is 3 in operand 0 of shape (2, 3), but 2 in operand 0 of shape (2, 3)"
        (fun () -> einsum "ii->" [ x ])
    refusesShape
        "einsum \"...i,...i->...\": the ellipsis axes of operand 1 of shape (3, 3) do not broadcast with those before: 3 against 2"
        (fun () -> einsum "...i,...i->..." [ x; array "" [ 3; 3 ] ])
    refusesShape
        "einsum \"ij->ik\": axis 'k' stands only in the output; give its extent beside the notation"
        (fun () -> einsum "ij->ik" [ x ])
    refusesShape "einsum \"ij->ij\": axis 'j' is 3 in the operands, but 4 was asked for" (fun () ->
        einsumWith "ij->ij" [ 'j', 4 ] [ x ])

[<Fact>]
let ``einsum: element types`` () =
    refusesType "einsum \"i,i->\": element types float64 and float32 do not mix; cast one of them" (fun () ->
        einsum "i,i->" [ v; half ])
    refusesType "einsum \"i->\": expected numbers, got bool; cast it" (fun () -> einsum "i->" [ flag ])

// ---- Axes and shapes ----------------------------------------------------------------------------------------------------

[<Fact>]
let ``axes that are not there, or are named twice`` () =
    refusesShape "sum: axis 2 is outside shape (2, 3); its axes are -2 to 1" (fun () -> sumOver [ 2 ] x)
    refusesShape "softmax: axis -3 is outside shape (2, 3); its axes are -2 to 1" (fun () -> softmax -3 x)
    refusesShape "log_softmax: axis 0 is outside shape (); a scalar has none" (fun () ->
        logSoftmax 0 (array "" []))
    refusesShape "argmax: axis 1 is outside shape (3); its axes are -1 to 0" (fun () -> argmax 1 v)
    refusesShape "mean: axis 1 of shape (2, 3) is named twice in (1, -1)" (fun () -> meanOver [ 1; -1 ] x)
    refusesShape "transpose: axis 2 is outside shape (2, 3); its axes are -2 to 1" (fun () ->
        permute [ 2; 0 ] x)
    refusesShape "transpose: expected every axis of shape (2, 3) once, got (1, 1)" (fun () ->
        permute [ 1; 1 ] x)
    refusesShape "transpose: expected every axis of shape (2, 3) once, got (0)" (fun () -> permute [ 0 ] x)
    refusesShape "expand_dims: axis 3 is outside shape (2, 3); a new axis goes to -3 to 2" (fun () ->
        expandDims 3 x)
    refusesShape "iota: axis 1 is outside shape (3); its axes are -1 to 0" (fun () ->
        iota [ 3 ] 1 DType.Int32)
    refusesType "iota: expected an element type of numbers that are computed with, got bool" (fun () ->
        iota [ 3 ] 0 DType.Bool)

[<Fact>]
let ``shapes that are none`` () =
    refusesShape "shape: extents are at least 0, got (2, -1)" (fun () -> array "" [ 2; -1 ])
    refusesShape
        "shape: (65536, 65536) has 4294967296 elements; the memory of one array holds at most 2147483647, so compute it in parts"
        (fun () -> array "" [ 65536; 65536 ])
    refusesShape
        "einsum \"ij->jij\": the output names axis 'j' 2 times; name it once; for a diagonal use diagonalEmbed"
        (fun () -> einsum "ij->jij" [ x ])

[<Fact>]
let ``reshapes that do not fit`` () =
    let prefix = "reshape: shape (2, 3) of 6 elements does not fit "
    refusesShape (prefix + "(4, 2): that has 8 elements") (fun () -> reshape [ 4; 2 ] x)
    refusesShape (prefix + "(-1, -1): only one extent may be -1") (fun () -> reshape [ -1; -1 ] x)
    refusesShape (prefix + "(4, -1): 6 elements cannot be divided by 4") (fun () -> reshape [ 4; -1 ] x)
    refusesShape (prefix + "(0, -1): 6 elements cannot be divided by 0") (fun () -> reshape [ 0; -1 ] x)
    refusesShape (prefix + "(-2, 3): an extent is at least 0, or -1 for what is left over") (fun () ->
        reshape [ -2; 3 ] x)

[<Fact>]
let ``broadcasts that do not fit`` () =
    let suffix = "; aligned from the last axis, its extents must be the same or 1"
    refusesShape ("broadcast: shape (2, 3) does not broadcast to (3, 2)" + suffix) (fun () ->
        broadcastTo [ 3; 2 ] x)
    refusesShape ("broadcast: shape (2, 3) does not broadcast to (3)" + suffix) (fun () ->
        broadcastTo [ 3 ] x)

[<Fact>]
let ``reductions of nothing`` () =
    let none = array "" [ 2; 0 ]
    refusesShape
        "reduce_max: shape (2, 0) is empty along the axes (0, 1), so there is no value to pick"
        (fun () -> reduceMax none)
    refusesShape "argmin: shape (2, 0) is empty along the axes (1), so there is no value to pick" (fun () ->
        argmin 1 none)
    refusesType "reduce_min: expected numbers, got bool; cast it" (fun () -> reduceMin flag)

// ---- Parts and joins ----------------------------------------------------------------------------------------------------

[<Fact>]
let ``concat, stack and split`` () =
    refusesShape
        "matmul: shapes (2, 3, 4) and (5, 4, 6) do not fit: the leading axis -3 is 2 of the first, 5 of the second; they broadcast if equal or 1"
        (fun () -> matmul (array "x" [ 2; 3; 4 ]) (array "y" [ 5; 4; 6 ]))
    refusesShape
        "concat: shapes (2, 3) and (4) may differ along axis 0 only; they have 2 and 1 axes"
        (fun () -> concat 0 [ x; b ])
    refusesShape
        "concat: shapes (2, 3) and (2, 4) may differ along axis 0 only; they differ along axis 1 too"
        (fun () -> concat -2 [ x; array "" [ 2; 4 ] ])
    refusesShape "concat: axis 2 is outside shape (2, 3); its axes are -2 to 1" (fun () -> concat 2 [ x; x ])
    refusesType "concat: element types float64 and float32 do not mix; cast one of them" (fun () ->
        concat 0 [ v; half ])
    says<ArgumentException, _> "concat: expected at least one array, got none (Parameter 'xs')" (fun () ->
        concat 0 [])
    refusesShape "stack: expected arrays of one shape, got (3) and (4)" (fun () -> stack 0 [ v; b ])
    says<ArgumentException, _> "stack: expected at least one array, got none (Parameter 'xs')" (fun () ->
        stack 0 [])
    says<ShapeException, _>
        "split: expected extents that add up to 3, axis 1 of shape (2, 3), got (1, 1)"
        (fun () -> split 1 [ 1; 1 ] x)
    says<ShapeException, _>
        "split: expected extents that add up to 3, axis 1 of shape (2, 3), got (4, -1)"
        (fun () -> split -1 [ 4; -1 ] x)

[<Fact>]
let ``pad, slice and index`` () =
    refusesShape "pad: expected 2 pairs of numbers of at least 0 for shape (2, 3), got (1, 0)" (fun () ->
        pad [ 1, 0 ] x)
    refusesShape "pad: expected 1 pairs of numbers of at least 0 for shape (3), got (-1, 0)" (fun () ->
        pad [ -1, 0 ] v)
    says<ArgumentException, _> "slice: expected a step other than 0 (Parameter 'step')" (fun () ->
        slice 0 None None 0 v)
    refusesShape "slice: axis 1 is outside shape (3); its axes are -1 to 0" (fun () -> slice 1 None None 1 v)
    says<ArgumentOutOfRangeException, _>
        "index: 3 is outside axis 0 of shape (3) (Parameter 'index')"
        (fun () -> at 0 3 v)
    says<ArgumentOutOfRangeException, _>
        "index: -4 is outside axis 0 of shape (3) (Parameter 'index')"
        (fun () -> at 0 -4 v)

[<Fact>]
let ``gather, scatter and one-hot`` () =
    refusesType "gather: indices are int32 or int64, got float64; cast them" (fun () -> gather 0 v x)
    refusesShape "gather: axis 2 is outside shape (2, 3); its axes are -2 to 1" (fun () -> gather 2 n x)
    refusesType "scatter_add: indices are int32 or int64, got float64; cast them" (fun () ->
        scatterAdd 0 [ 5 ] v v)
    refusesShape
        "scatter_add: along axis 0 of shape (5, 4), indices of shape (3) take values of shape (3, 4), got (3)"
        (fun () -> scatterAdd 0 [ 5; 4 ] n v)
    refusesType "scatter_add: expected numbers, got bool; cast them" (fun () -> scatterAdd 0 [ 5 ] n flag)
    refusesType "one_hot: indices are int32 or int64, got float64; cast them" (fun () ->
        oneHot 3 DType.Float64 v)

[<Fact>]
let ``an index out of range is named`` () =
    let values, indices =
        tensor "" [ 3 ] [| 1.0; 2.0; 3.0 |], tensor "" [ 2 ] [| 0; 3 |]
    says<IndexOutOfRangeException, _> "gather: index 3 is outside axis 0 of extent 3" (fun () ->
        eval (gather 0 indices values))
    says<IndexOutOfRangeException, _> "scatter_add: index -4 is outside axis 0 of extent 3" (fun () ->
        eval (scatterAdd 0 [ 3 ] (indices - 4.0) (slice 0 (Some 1) None 1 values)))

[<Fact>]
let ``losses`` () =
    refusesShape "cross_entropy: logits of shape (2, 3) need class indices of shape (2), got (3)" (fun () ->
        crossEntropyOfClasses x n)
    refusesType "cross_entropy: indices are int32 or int64, got float64; cast them" (fun () ->
        crossEntropyOfClasses x (array "" [ 2 ]))
    refusesShape
        "cross_entropy: logits of shape (2, 3) need target distributions of the same shape, got (3)"
        (fun () -> crossEntropyOfDistributions x v)
    says<ArgumentException, _>
        "frobenius_norm: expected at least one array, got none (Parameter 'xs')"
        (fun () -> frobeniusNorm [])

// ---- Derivatives ------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``derivatives of and with respect to integers`` () =
    refusesType
        "grad: \"n\" is int32; derivatives need float32 or float64, so cast it or leave it out"
        (fun () -> grad (sum v) n)
    refusesType
        "grad: argmax 0 of shape () is int64; derivatives need float32 or float64, so cast it or leave it out"
        (fun () -> grad (argmax 0 v) v)
    refusesType
        "jacobian: \"flag\" is bool; derivatives need float32 or float64, so cast it or leave it out"
        (fun () -> jacobian v flag)

[<Fact>]
let ``values that should be scalars`` () =
    let suffix =
        ": expected a scalar, but the value to differentiate has shape (3); sum it, or give a cotangent to vjp"
    refusesShape ("hessian" + suffix) (fun () -> hessian (v * v) v)
    says<ShapeException, _> ("hvp" + suffix) (fun () -> hvp (v * v) [ v ] [ v ])
    says<ShapeException, _> "item: expected one element, got shape (3); use eval" (fun () -> item v)

[<Fact>]
let ``cotangents, tangents and orders`` () =
    says<ShapeException, _>
        "vjp: the cotangent has shape (), float64, but the value shape (3), float64; the two must be alike"
        (fun () -> vjp v (Expr.op_Implicit 1.0) [ v ])
    refusesShape
        "jvp: the tangent of \"v\" has shape (3), float32, but the argument shape (3), float64; the two must be alike"
        (fun () -> jvp (sin v) [ v ] [ half ])
    says<ArgumentException, _> "jvp: 1 arguments need as many tangents, got 2 (Parameter 'vs')" (fun () ->
        jvp (sin v) [ v ] [ v; v ])
    says<ArgumentException, _>
        "nthDerivative: expected an order of at least 0, got -1 (Parameter 'order')"
        (fun () -> nthDerivative -1 v v)

[<Fact>]
let ``a value that does not depend on what it is differentiated with respect to`` () =
    says<InvalidOperationException, _>
        "grad: the value (sum of shape ()) does not depend on \"v\"; differentiate with respect to something it uses, or ask for zeros"
        (fun () -> Gradient.grad Unconnected.Error (sum b) [| v |])

// ---- Values -------------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``inputs without a value`` () =
    let suffix =
        ", float64, has no value; assign one, or pass it to a compiled function"
    says<InvalidOperationException, _> ("evaluate: the input \"x\" of shape (2, 3)" + suffix) (fun () ->
        eval (sum x))
    says<InvalidOperationException, _> ("evaluate: an input of shape ()" + suffix) (fun () ->
        eval (exp (array "" [])))

[<Fact>]
let ``assignments that do not fit`` () =
    let w, nameless = tensor "w" [ 2 ] [| 1.0; 2.0 |], tensor "" [ 2 ] [| 1f; 2f |]
    says<ShapeException, _>
        "assign: \"w\" has shape (2), got a value of shape (3); reshape the value, or make a new variable"
        (fun () -> assign w (NDArray.op_Implicit [| 1.0; 2.0; 3.0 |]))
    says<DTypeException, _>
        "assign: the variable is float32, got a value of float64; convert the value, or make a new variable"
        (fun () -> assign nameless (NDArray.op_Implicit [| 1.0; 2.0 |]))
    says<InvalidOperationException, _>
        "assign: only a variable holds a value of its own, not the result of sin"
        (fun () -> assign (sin w) (NDArray.op_Implicit [| 1.0; 2.0 |]))

[<Fact>]
let ``arrays`` () =
    says<ShapeException, _> "NDArray: shape (3) has 3 elements, the memory has 2" (fun () ->
        tensor "" [ 3 ] [| 1.0; 2.0 |])
    says<DTypeException, _> "NDArray: its elements are float64, asked for int32" (fun () ->
        (NDArray.op_Implicit 1.0).Span<int>().Length)
    says<ShapeException, _> "NDArray: shape (2) has 2 elements, shape (3) has 3" (fun () ->
        (NDArray.op_Implicit [| 1.0; 2.0 |]).Reshape(Shape [| 3 |]))

// ---- Operations of one's own ---------------------------------------------------------------------------------------------------

[<Fact>]
let ``operations whose parts do not fit each other`` () =
    let own forward backward =
        customOp "own" (fun xs -> xs[0].Shape) forward backward
    let w = tensor "w" [ 2 ] [| 1.0; 2.0 |]
    let fine (xs: NDArray list) = xs[0]
    says<InvalidOperationException, _>
        "own: its backward gave 2 cotangents for 1 arguments; give one for each, null where there is none"
        (fun () -> grad (own fine (fun _ _ g -> [ g; g ]) [ w ]) w)
    refusesShape
        "own: its backward gave a cotangent of shape (), float64, for argument 0 of shape (2), float64; the two must be alike"
        (fun () -> grad (own fine (fun _ _ g -> [ sum g ]) [ w ]) w)
    says<ShapeException, _>
        "own: its forward gave a value of shape (), float64, but shape (2), float64, was declared"
        (fun () -> eval (own (fun _ -> NDArray.op_Implicit 1.0) (fun _ _ g -> [ g ]) [ w ]))
    says<ArgumentException, _> "own: expected at least one argument, got none (Parameter 'args')" (fun () ->
        own fine (fun _ _ g -> [ g ]) [])
    refusesType "cube: expected float32 or float64, got int32; cast it" (fun () ->
        scalarOp "cube" (fun x -> x * x * x) (fun x _ -> 3.0 * x * x) n)

[<Theory>]
[<InlineData("zero", null, "DIFF_THREADS: expected a number of threads, at least 1, got \"zero\"")>]
[<InlineData("0", null, "DIFF_THREADS: expected a number of threads, at least 1, got \"0\"")>]
[<InlineData(null, "fast", "DIFF_TIER: expected auto, tiles or compiled, got \"fast\"")>]
let ``environment variables that say nothing sensible are refused``
    (threads: string | null, tier: string | null, message: string)
    =
    let error =
        Assert.Throws<InvalidOperationException>(fun () -> EngineOptions.Parse(threads, tier) |> ignore)
    Assert.Equal(message, error.Message)

[<Fact>]
let ``environment variables choose threads and tier`` () =
    let options = EngineOptions.Parse("3", "tiles")
    Assert.Equal(3, options.Threads)
    Assert.Equal(Diff.Kernels.Tier.Tiles, options.Tier)
    Assert.Equal(Environment.ProcessorCount, EngineOptions.Parse("", null).Threads)

[<Fact>]
let ``a function that takes more arguments than it is given says so`` () =
    let f = new CompiledFunction(fun xs -> [| xs[0] * xs[1] |])
    let e =
        Assert.Throws<ArgumentException>(fun () -> f.Call(NDArray.op_Implicit 1.0) |> ignore)
    Assert.StartsWith(
        "call: the function looked for an element that is not there; does it take more than the 1 arguments",
        e.Message
    )
