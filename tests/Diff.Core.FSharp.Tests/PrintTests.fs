module PrintTests

open System
open System.Collections.Generic
open System.IO
open System.Text.RegularExpressions
open System.Threading
open Xunit
open Diff
open Diff.Testing

let private numbers name (dims: int list) =
    tensor name dims (Array.init (List.fold (*) 1 dims) float)

let private x, y, z = variable "x" 3.0, variable "y" -2.0, variable "z" 0.5
let private A, B, C =
    numbers "A" [ 2; 3 ], numbers "B" [ 3; 4 ], numbers "C" [ 3; 3 ]
let private u, v = numbers "u" [ 3 ], numbers "v" [ 3 ]
let private P, Q = numbers "P" [ 2; 3; 4 ], numbers "Q" [ 2; 5; 4 ]
let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
let private number (value: float) : Expr = Expr.op_Implicit value
let private lines (text: string) = text.Split '\n'
let private formula (expected: string) (e: Expr) = Assert.Equal(expected, Print.Formula e)
let private latex (expected: string) (e: Expr) = Assert.Equal(expected, Print.Latex e)

/// Runs on a stack that recursion over the graph would overflow.
let private onSmallStack (f: unit -> unit) =
    let mutable error: exn | null = null
    let thread =
        Thread(
            (fun () ->
                try
                    f ()
                with e ->
                    error <- e),
            256 * 1024
        )
    thread.Start()
    thread.Join()
    match error with
    | null -> ()
    | e -> raise e

// ---- Formula -----------------------------------------------------------------------------------------------

[<Fact>]
let ``formula: the README's derivative`` () =
    formula "y + exp(x + 3)" (grad (x * y + exp (x + 3.0)) x)

[<Fact>]
let ``formula: ToString is the formula`` () =
    Assert.Equal(Print.Formula(x - y), string (x - y))

[<Fact>]
let ``formula: brackets only where they are needed`` () =
    formula "x - (y - z)" (x - (y - z))
    formula "x - y - z" (x - y - z)
    formula "x - (y + z)" (x - (y + z))
    formula "x + y - z" (x + (y - z))
    formula "x / (y / z)" (x / (y / z))
    formula "x / y / z" (x / y / z)
    formula "x / (y * z)" (x / (y * z))
    formula "x * y / z" (x * y / z)
    formula "(x + y) * z" ((x + y) * z)
    formula "x * (y - z)" (x * (y - z))
    formula "-(x + y)" (-(x + y))
    formula "-x * y" (-(x * y))
    formula "-(-x)" (-(-x))
    formula "x - (-y)" (x - -y)
    formula "x + (-y * z)" (x + -(y * z))
    formula "(-x)^y" (Expr.Pow(-x, y))
    formula "-x^y" (-Expr.Pow(x, y))
    formula "2^(-x)" (Expr.Pow(2.0, -x))
    formula "x^(y^z)" (Expr.Pow(x, Expr.Pow(y, z)))
    formula "(x^y)^z" (Expr.Pow(Expr.Pow(x, y), z))
    formula "(x + 1)^(-2)" (Expr.Pow(x + 1.0, -2.0))
    formula "(-2)^x" (Expr.Pow(-2.0, x))
    formula "x * (-2)" (x * -2.0)
    formula "-2 * x" (-2.0 * x)
    formula "-1 + x" (-1.0 + x)

[<Fact>]
let ``formula: the product of a part with itself is a square`` () =
    formula "1 - tanh(x)^2" (grad (tanh x) x)
    formula "(-x)^2" (square -x)
    formula "(x - y)^2 / 2" (square (x - y) / 2.0)
    formula "(x^2)^2" (square (square x))

[<Fact>]
let ``formula: comparisons and choices`` () =
    formula "x + 1 < y * 2" (less (x + 1.0) (y * 2.0))
    formula "(x < y) == (y >= z)" (equal (less x y) (greaterEqual y z))
    formula
        "x < y && y != z || not(x > z)"
        (logicalOr (logicalAnd (less x y) (notEqual y z)) (logicalNot (greater x z)))
    formula "x < y && (y <= z || x == z)" (logicalAnd (less x y) (logicalOr (lessEqual y z) (equal x z)))
    formula "where(x < y, x + 1, 0) * 2" (where (less x y) (x + 1.0) 0.0 * 2.0)
    formula "max(x, -y)" (maximum x -y)

[<Fact>]
let ``formula: numbers do not depend on the culture`` () =
    let culture = Globalization.CultureInfo.CurrentCulture
    let comma =
        Globalization.CultureInfo.InvariantCulture.Clone() :?> Globalization.CultureInfo
    comma.NumberFormat.NumberDecimalSeparator <- ","
    try
        Globalization.CultureInfo.CurrentCulture <- comma
        formula "x * 1.5 + 1E-07" (x * 1.5 + 1e-7)
        formula "0.1" (Expr.Full(0.1, Shape.Scalar, DType.Float32))
    finally
        Globalization.CultureInfo.CurrentCulture <- culture

[<Fact>]
let ``formula: contractions by their common names`` () =
    let contraction expected notation operands =
        formula expected (einsum notation operands)
    contraction "A @ B" "ij,jk->ik" [ A; B ]
    contraction "transpose(B) @ transpose(A)" "ij,jk->ki" [ A; B ]
    contraction "A @ transpose(A)" "ij,kj->ik" [ A; A ]
    contraction "transpose(A) @ A" "ji,jk->ik" [ A; A ]
    contraction "A @ u" "ij,j->i" [ A; u ]
    contraction "u @ B" "j,jk->k" [ u; B ]
    contraction "u @ B" "jk,j->k" [ B; u ]
    contraction "P @ transpose(Q, 0, 2, 1)" "bij,bkj->bik" [ P; Q ]
    contraction "P @ numbers" "bij,jk->bik" [ P; numbers "numbers" [ 4; 2 ] ]
    contraction "dot(u, v)" "i,i->" [ u; v ]
    contraction "outer(u, v)" "i,j->ij" [ u; v ]
    contraction "outer(v, u)" "i,j->ji" [ u; v ]
    contraction "sum(A)" "ij->" [ A ]
    contraction "sum(A, 0)" "ij->j" [ A ]
    contraction "sum(P, 0, 2)" "ijk->j" [ P ]
    contraction "sum(A * A, 1)" "ij,ij->i" [ A; A ]
    contraction "A * u" "ij,j->ij" [ A; u ]
    contraction "transpose(A)" "ij->ji" [ A ]
    contraction "transpose(P, 2, 0, 1)" "ijk->kij" [ P ]
    contraction "trace(C)" "ii->" [ C ]
    contraction "diagonal(C)" "ii->i" [ C ]
    contraction "einsum(\"i,ij,j->\", u, C, v)" "i,ij,j->" [ u; C; v ]
    formula "einsum(\"i->ij\", u, (3, 4))" (einsumWith "i->ij" [ 'j', 4 ] [ u ])

[<Fact>]
let ``formula: matrix products bind weaker than other products`` () =
    let product a b = einsum "ij,jk->ik" [ a; b ]
    formula "(C * C + C) @ C" (product (einsum "ij,ij->ij" [ C; C ] + C) C)
    formula "(C * u) @ C" (product (C * u) C)
    formula "(C @ C) * u" (product C C * u)
    formula "C @ C @ C" (product (product C C) C)
    formula "C @ (C @ C)" (product C (product C C))
    formula "-C @ C" (product -C C)
    formula "-(C @ C)" (-(product C C))
    formula "(-C * u) @ C" (product (-(C * u)) C)

[<Fact>]
let ``formula: sums, means, reductions`` () =
    formula "sum(A)" (sum A)
    formula "mean((A - 1)^2)" (mean (square (A - 1.0)))
    formula "mean(A, 1)" (meanOver [ 1 ] A)
    formula "sum(A) / 7" (sum A / 7.0)
    formula "A - mean(A, 1, keepDims)" (A - reshape [ 2; 1 ] (meanOver [ 1 ] A))
    formula "reduce_max(A)" (reduceMax A)
    formula "argmax(A, 1)" (argmax 1 A)

[<Fact>]
let ``formula: a mean whose sum has a line of its own stays a quotient`` () =
    let total = sum (tanh (A * 1.25) * exp (A + 2.5) / sqrt (A + 4.75))
    let e =
        sin (total / 6.0) * cos (total / 7.0)
        + tan (total - 8.125) * exp (total + 9.0625) / log (total * 3.0)
    Assert.Equal<string[]>(
        [| "t1 = sum(tanh(A * 1.25) * exp(A + 2.5) / sqrt(A + 4.75))"
           "sin(t1 / 6) * cos(t1 / 7) + tan(t1 - 8.125) * exp(t1 + 9.0625) / log(t1 * 3)" |],
        lines (Print.Formula e)
    )

[<Fact>]
let ``formula: broadcasts are written only where the operation does not do them`` () =
    formula "A + u" (A + u)
    formula "A @ C + u * 2" (einsum "ij,jk->ik" [ A; C ] + u * 2.0)
    formula "exp(broadcast(u, (2, 3)))" (exp (broadcastTo [ 2; 3 ] u))
    formula "broadcast(u, (2, 3)) + v" (broadcastTo [ 2; 3 ] u + broadcastTo [ 2; 3 ] v)
    formula "broadcast(1, (2, 3))" (full [ 2; 3 ] DType.Float64 1.0)
    formula "broadcast(u, (2, 3))^2" (square (broadcastTo [ 2; 3 ] u))

[<Fact>]
let ``formula: windows in Python's notation`` () =
    formula "A[:, 1:]" (slice 1 (Some 1) None 1 A)
    formula "A[:, :2]" (slice 1 None (Some 2) 1 A)
    formula "A[:, ::2]" (slice 1 None None 2 A)
    formula "(A + A)[:, ::-1]" (slice 1 None None -1 (A + A))
    formula "A[1, :]" (at 0 1 A)
    formula "embed(A, [1:, :3], (3, 5))" (pad [ 1, 0; 0, 2 ] A)
    formula "concat([A, A], 0)" (concat 0 [ A; A ])
    formula "reshape(A, (3, 2))" (reshape [ 3; 2 ] A)

[<Fact>]
let ``formula: small literals are written out`` () =
    let literal (values: float[]) dims =
        constant (NDArray.Create(values, Shape(Array.ofList dims)))
    formula "[1, 2.5]" (literal [| 1.0; 2.5 |] [ 2 ])
    formula "[[1, 2], [3, 4]]" (literal [| 1.0; 2.0; 3.0; 4.0 |] [ 2; 2 ])
    formula "x - (-3)" (x - literal [| -3.0 |] [])
    let big () = literal (Array.zeroCreate 9) [ 9 ]
    formula "literal(9) + literal(9)'2" (big () + big ())

[<Fact>]
let ``formula: variables of one name are told apart, the same variable is not`` () =
    let x = variable "x" 1.0
    let another = variable "x" 1.0
    formula "x * x'2 + x" (x * another + x)
    formula "_ - _'2" (variable "" 1.0 - variable "" 2.0)

[<Fact>]
let ``formula: names that would not read as names are quoted`` () =
    let named name = formula name
    named "layer1.weight_2" (variable "layer1.weight_2" 0.0)
    named "`a b`" (variable "a b" 0.0)
    named "`encoder/w`" (variable "encoder/w" 0.0)
    named "`3`" (variable "3" 0.0)
    named "`x'2`" (variable "x'2" 0.0)
    named "`NaN`" (variable "NaN" 0.0)
    named "`a\\nb\\`\\\\`" (variable "a\nb`\\" 0.0)

[<Fact>]
let ``formula: names of lines leave out names of variables`` () =
    let t1 = variable "t1" 1.0
    let long = Seq.fold (fun e i -> sin (e + float i) * t1) x (seq { 1..12 })
    let text = Print.Formula long
    Assert.StartsWith("t2 = ", text)
    Assert.DoesNotContain("t1 =", text)

[<Fact>]
let ``formula: 200 doublings stay short`` () =
    let doubled = Seq.fold (fun (e: Expr) _ -> e + e) x (seq { 1..200 })
    let text = Print.Formula doubled
    Assert.InRange(text.Length, 1, 5000)
    Assert.Equal("t1 = x + x + x + x", (lines text)[0])
    let stretched =
        Seq.fold (fun (e: Expr) _ -> broadcastTo [ 2; 3 ] (e + e) * 2.0) u (seq { 1..200 })
    Assert.InRange((Print.Formula stretched).Length, 1, 20000)
    Assert.InRange((Print.Latex doubled).Length, 1, 10000)

[<Fact>]
let ``formula: a chain of a million nodes prints in linear size, without recursion`` () =
    onSmallStack (fun () ->
        let mutable e = x
        for _ in 1..1_000_000 do
            e <- e + 1.0
        let text = Print.Formula e
        Assert.InRange(text.Length, 4_000_000, 8_000_000)
        let all = lines text
        Assert.True(all |> Array.forall (fun line -> line.Length <= 130))
        Assert.StartsWith("t1 = x + 1 + 1 + 1", all[0])
        Assert.StartsWith("t" + string (all.Length - 1) + " + 1", all[all.Length - 1]))

/// Formulas of scalars, evaluated as they read.
module private Reading =
    let private token =
        Regex @"\s*(\d+(?:\.\d+)?(?:E[+-]?\d+)?|[A-Za-z_][\w']*|&&|\|\||[<>=!]=|.)"

    /// A value that rounding may have changed much, or a comparison that it may have turned.
    exception Fragile

    type private Parser(text: string, names: Dictionary<string, float>) =
        let tokens = [| for m in token.Matches text -> m.Groups[1].Value |]
        let mutable i = 0
        let peek () =
            if i < tokens.Length then tokens[i] else ""
        let next () =
            i <- i + 1
            tokens[i - 1]
        let expect t = Assert.Equal(t, next ())
        let sound (value: float) =
            if not (abs value < 1e4) then
                raise Fragile
            value
        let ofBool b = if b then 1.0 else 0.0

        member this.Comparison() : float =
            let left = this.Sum()
            match peek () with
            | "<"
            | ">"
            | "<="
            | ">=" as op ->
                next () |> ignore
                let right = this.Sum()
                if abs (left - right) < 1e-6 then
                    raise Fragile
                ofBool (if op.StartsWith '<' then left < right else left > right)
            | _ -> left

        member this.Sum() : float =
            let mutable value = this.Product()
            while peek () = "+" || peek () = "-" do
                value <-
                    sound (
                        if next () = "+" then
                            value + this.Product()
                        else
                            value - this.Product()
                    )
            value

        member this.Product() : float =
            let mutable value = this.Sign()
            while peek () = "*" || peek () = "/" do
                let op = next ()
                let right = this.Sign()
                if op = "/" && abs right < 1e-2 then
                    raise Fragile
                value <- sound (if op = "*" then value * right else value / right)
            value

        member this.Sign() : float =
            if peek () = "-" then
                next () |> ignore
                -this.Sign()
            else
                this.Power()

        member this.Power() : float =
            let value = this.Atom()
            if peek () = "^" then
                next () |> ignore
                if abs value < 1e-2 then
                    raise Fragile
                sound (Math.Pow(value, this.Atom()))
            else
                value

        member this.Atom() : float =
            match next () with
            | "(" ->
                let value = this.Comparison()
                expect ")"
                value
            | name when peek () = "(" ->
                next () |> ignore
                let args = List [ this.Comparison() ]
                while peek () = "," do
                    next () |> ignore
                    args.Add(this.Comparison())
                expect ")"
                match name with
                | "sin" -> sin args[0]
                | "max" -> max args[0] args[1]
                | "where" -> if args[0] <> 0.0 then args[1] else args[2]
                | _ -> failwith $"there is no function {name}"
            | name when Char.IsLetter name[0] -> names[name]
            | digits -> Double.Parse(digits, Globalization.CultureInfo.InvariantCulture)

        member this.All() =
            let value = this.Comparison()
            Assert.Equal(tokens.Length, i)
            value

    let value (text: string) : float =
        let names = Dictionary(dict [ "x", 3.0; "y", -2.0; "z", 0.5 ])
        let all = lines text
        for line in all[.. all.Length - 2] do
            let at = line.IndexOf " = "
            names[line.Substring(0, at)] <- Parser(line.Substring(at + 3), names).All()
        Parser(all[all.Length - 1], names).All()

/// Scalar expressions with shared parts.
type Tree =
    | X
    | Y
    | Z
    | Number of sbyte
    | Neg of Tree
    | Sin of Tree
    | Twice of Tree
    | Squared of Tree
    | Add of Tree * Tree
    | Sub of Tree * Tree
    | Mul of Tree * Tree
    | Div of Tree * Tree
    | Pow of Tree * Tree
    | Max of Tree * Tree
    | Choose of Tree * Tree * Tree

let rec private build (tree: Tree) : Expr =
    match tree with
    | X -> x
    | Y -> y
    | Z -> z
    | Number n -> number (float (n % 4y) / 2.0)
    | Neg a -> -(build a)
    | Sin a -> sin (build a)
    | Twice a ->
        let shared = build a
        shared + shared
    | Squared a -> square (build a)
    | Add(a, b) -> build a + build b
    | Sub(a, b) -> build a - build b
    | Mul(a, b) -> build a * build b
    | Div(a, b) -> build a / build b
    | Pow(a, b) -> Expr.Pow(build a, build b)
    | Max(a, b) -> maximum (build a) (build b)
    | Choose(a, b, c) -> where (less (build a) (build b)) (build c) (build a)

[<Property(MaxTest = 2000)>]
let ``formula: read as it stands, it has the value of the graph`` (tree: Tree) =
    let e = build tree
    try
        let read = Reading.value (Print.Formula e)
        let value = item e
        Assert.True(
            abs (read - value) <= 1e-6 * (1.0 + abs value),
            $"{Print.Formula e} reads as {read}, is {value}"
        )
    with Reading.Fragile ->
        ()

// ---- LaTeX -------------------------------------------------------------------------------------------------

[<Fact>]
let ``latex: functions, fractions and powers`` () =
    latex @"y + \exp\left(x + 3\right)" (y + exp (x + 3.0))
    latex @"\frac{x - y}{\sqrt{z}}" ((x - y) / sqrt z)
    latex @"\left(\frac{x}{y}\right)^{z + 1}" (Expr.Pow(x / y, z + 1.0))
    latex @"2^{-x}" (Expr.Pow(2.0, -x))
    latex @"1 - \tanh\left(x\right)^{2}" (grad (tanh x) x)
    latex @"\log\left(\left|x\right|\right)" (log (abs x))
    latex
        @"\operatorname{stop\_gradient}\left(\operatorname{sigmoid}\left(x\right)\right)"
        (stopGradient (sigmoid x))
    latex @"-\left(x + y\right) \cdot z" (-((x + y) * z))
    latex @"x \cdot 1 \cdot 10^{-7}" (x * 1e-7)
    latex
        @"\begin{cases} x & \text{if } x \le y \\ -y & \text{otherwise} \end{cases}"
        (where (lessEqual x y) x -y)
    latex
        @"2 \cdot \left(\begin{cases} x & \text{if } x = y \\ y & \text{otherwise} \end{cases}\right)"
        (2.0 * where (equal x y) x y)

[<Fact>]
let ``latex: contractions with their indices`` () =
    let contraction expected notation operands =
        latex expected (einsum notation operands)
    contraction @"\sum_{j} A_{ij} \, B_{jk}" "ij,jk->ik" [ A; B ]
    contraction @"\sum_{j} \left(A - 1\right)_{ij} \, B_{jk}" "ij,jk->ik" [ A - 1.0; B ]
    contraction @"C^{\top}" "ij->ji" [ C ]
    contraction @"\operatorname{transpose}_{2,0,1}\left(P\right)" "ijk->kij" [ P ]
    contraction @"\sum_{i} C_{ii}" "ii->" [ C ]
    contraction @"u_{i} \, v_{j}" "i,j->ij" [ u; v ]
    latex @"A \odot u + 2 \cdot A" (A * u + 2.0 * A)
    latex @"\tanh\left(\sum_{j} A_{ij} \, C_{jk} + u\right)" (tanh (einsum "ij,jk->ik" [ A; C ] + u))
    latex @"\frac{\sum_{ab} \left(A - u\right)_{ab}^{2}}{6}" (mean (square (A - u)))

[<Fact>]
let ``latex: names`` () =
    let named (expected: string) (name: string) = latex expected (variable name 0.0)
    named "w_{1}" "w_1"
    named "w_{1}" "w1"
    named @"W_{q,12}" "W_q_12"
    named @"\mathrm{hidden}_{\mathrm{size}}" "hidden_size"
    named @"\theta" "theta"
    named @"\text{encoder/w\_1 \{100\%\}}" "encoder/w_1 {100%}"
    named @"\bullet" ""
    let w = variable "w_1" 0.0
    latex @"w_{1} + {w_{1}}_{(2)}" (w + variable "w_1" 0.0)
    latex @"\sum_{i} {w_{1}}_{i} \, {w_{1}}_{i}" (let w = numbers "w_1" [ 3 ] in einsum "i,i->" [ w; w ])

[<Fact>]
let ``latex: windows and axes of extent 1`` () =
    latex @"A_{:,\,1:}" (slice 1 (Some 1) None 1 A)
    latex @"A_{1,\,:}" (at 0 1 A)
    latex @"A - \frac{\sum_{b} A_{ab}}{3}" (A - reshape [ 2; 1 ] (meanOver [ 1 ] A))
    latex @"\max_{1}\left(A\right)" (extremeAxes Extreme.Max false [| 1 |] A)
    latex @"\operatorname{float32}\left(x\right)" (cast DType.Float32 x)

[<Fact>]
let ``latex: shared parts are lines of an aligned block`` () =
    let long = exp (x * 1.25 + y * 2.25) / sqrt (x * 3.125 + y * 4.0625)
    let e = sin (long + 1.0) + cos (long + 2.0) + tan (long + 3.0) + tanh (long + 4.0)
    Assert.Equal<string[]>(
        [| @"\begin{aligned}"
           @"t_{1} &= \frac{\exp\left(x \cdot 1.25 + y \cdot 2.25\right)}{\sqrt{x \cdot 3.125 + y \cdot 4.0625}} \\"
           @"& \sin\left(t_{1} + 1\right) + \cos\left(t_{1} + 2\right) + \tan\left(t_{1} + 3\right) + \tanh\left(t_{1} + 4\right)"
           @"\end{aligned}" |],
        lines (Print.Latex e)
    )

[<Property(MaxTest = 300)>]
let ``latex: braces and delimiters are balanced`` (tree: Tree) =
    let text = Print.Latex(build tree)
    let count (pattern: string) = Regex.Matches(text, pattern).Count
    Assert.Equal(count @"\\left\b", count @"\\right\b")
    Assert.Equal(count @"\\begin\b", count @"\\end\b")
    Assert.Equal(count @"(?<!\\)\{", count @"(?<!\\)\}")

// ---- Listing -----------------------------------------------------------------------------------------------

let private perceptron () =
    let layer name (x: Expr) =
        use _ = Scope.Enter name
        let w, b = numbers "w" [ 3; 3 ], numbers "b" [ 3 ]
        tanh (einsum "ij,jk->ik" [ x; w ] + b)
    ignore (string A) // whichever test comes first makes A outside the scope
    use _ = Scope.Enter "encoder"
    layer "linear2" (layer "linear1" A)

[<Fact>]
let ``listing: one node a line, numbered from 1`` () =
    let expected =
        """%1 : float64[2,3] = variable "A"
%2 : float64[3,3] = variable "w"  ; encoder/linear1
%3 : float64[3] = variable "b"  ; encoder/linear1
%4 : float64[2,3] = einsum ij,jk->ik %1 %2  ; encoder/linear1
%5 : float64[2,3] = einsum b->ab %3  ; encoder/linear1
%6 : float64[2,3] = add %4 %5  ; encoder/linear1
%7 : float64[2,3] = tanh %6  ; encoder/linear1
%8 : float64[3,3] = variable "w"  ; encoder/linear2
%9 : float64[3] = variable "b"  ; encoder/linear2
%10 : float64[2,3] = einsum ij,jk->ik %7 %8  ; encoder/linear2
%11 : float64[2,3] = einsum b->ab %9  ; encoder/linear2
%12 : float64[2,3] = add %10 %11  ; encoder/linear2
%13 : float64[2,3] = tanh %12  ; encoder/linear2
return %13"""
    Assert.Equal<string[]>(lines (expected.Replace("\r", "")), lines (Print.Listing(perceptron ())))
    Assert.Equal(Print.Listing(perceptron ()), Print.Listing(perceptron ()))

[<Fact>]
let ``listing: leaves and what operations carry`` () =
    let twice = scalarOp "my \"op\"" (fun x -> 2.0 * x) (fun x _ -> 2.0 * onesLike x)
    let part = slice 1 (Some 1) None 1 A
    let listed =
        Print.Listing
            [ twice (variable "a\n\"b\"" 1.0) * 0.5
              sum part
              at 0 1 A
              where (less x y) x 1.0 ]
    let has (line: string) =
        Assert.Contains(lines listed, fun l -> l.EndsWith(line, StringComparison.Ordinal))
    has " : float64[] = variable \"a\\n\\\"b\\\"\""
    has " : float64[] = const 0.5"
    has " : bool[] = less %1 %2"
    Assert.Contains("float64[2,2] = slice [:, 1:] %", listed)
    Assert.Contains("custom \"my \\\"op\\\"\" %", listed)
    let literal = constant (NDArray.Create([| 1L; -2L |], Shape [| 2 |]))
    Assert.Equal("%1 : int64[2] = literal [1, -2]\nreturn %1 %1", Print.Listing [ literal; literal ])

[<Fact>]
let ``listing: of nothing, and of something that is nothing`` () =
    Assert.Equal("return", Print.Listing(Seq.empty<Expr>))
    Assert.Throws<ArgumentNullException>(fun () -> Print.Listing(Unchecked.defaultof<Expr>) |> ignore)
    |> ignore

[<Fact>]
let ``listing and dot: a chain of a million nodes`` () =
    onSmallStack (fun () ->
        let mutable e = x
        for _ in 1..1_000_000 do
            e <- sin e
        Assert.EndsWith("%1000001 : float64[] = sin %1000000\nreturn %1000001", Print.Listing e)
        Assert.EndsWith("n1000000 -> n1000001\n}\n", Print.Dot e))

// ---- DOT ---------------------------------------------------------------------------------------------------

/// The clusters of a DOT text as paths of labels, and the path in which each node stands.
let private readDot (text: string) =
    let paths = List<string>()
    let nodes = Dictionary<string, string>()
    let edges = List<string * string>()
    let stack = Stack<string>()
    let quoted name =
        @"""(?<" + name + @">(?:\\.|[^""\\])*)"""
    let line =
        [ @"(?<open>subgraph cluster_\d+ \{|digraph \{)"
          @"(?<close>\})"
          "label=" + quoted "label"
          @"(?<node>n\d+) \[label=" + quoted "text" + @", (?<look>[^""]*)\]"
          @"(?<from>n\d+) -> (?<into>n\d+)"
          @"(?:node|edge|graph) \[.*\]" ]
        |> String.concat "|"
        |> fun kinds -> Regex("^ *(?:" + kinds + ")$")
    let path () =
        String.Join("/", Seq.rev (Seq.filter ((<>) "") stack))
    for l in lines (text.TrimEnd '\n') do
        let m = line.Match l
        Assert.True(m.Success, l)
        if m.Groups["open"].Success then
            stack.Push ""
        elif m.Groups["close"].Success then
            stack.Pop() |> ignore
        elif m.Groups["label"].Success then
            Assert.Equal("", stack.Pop())
            stack.Push m.Groups["label"].Value
            paths.Add(path ())
        elif m.Groups["node"].Success then
            nodes.Add(
                m.Groups["node"].Value,
                path () + "|" + m.Groups["text"].Value + "|" + m.Groups["look"].Value
            )
        elif m.Groups["from"].Success then
            edges.Add(m.Groups["from"].Value, m.Groups["into"].Value)
    Assert.Empty stack
    for from, into in edges do
        Assert.True(nodes.ContainsKey from && nodes.ContainsKey into)
    List.ofSeq paths, nodes, List.ofSeq edges

[<Fact>]
let ``dot: scopes are nested clusters, opened once`` () =
    let paths, nodes, edges = readDot (Print.Dot(perceptron ()))
    Assert.Equal<string list>([ "encoder"; "encoder/linear1"; "encoder/linear2" ], paths)
    Assert.Equal(13, nodes.Count)
    Assert.Equal("|A\\nfloat64[2,3]|shape=box, fillcolor=indianred1, color=firebrick", nodes["n1"])
    Assert.Equal(
        "encoder/linear1|einsum ij,jk->ik\\nfloat64[2,3]|shape=oval, fillcolor=lightblue, color=steelblue",
        nodes["n4"]
    )
    Assert.Equal(
        "encoder/linear2|tanh\\nfloat64[2,3]|shape=oval, fillcolor=lightblue, color=steelblue, peripheries=2",
        nodes["n13"]
    )
    Assert.Equal<(string * string) list>([ "n1", "n4"; "n2", "n4"; "n3", "n5" ], List.take 3 edges)

[<Fact>]
let ``dot: the same operand twice is two edges`` () =
    let _, _, edges = readDot (Print.Dot(x + x))
    Assert.Equal<(string * string) list>([ "n1", "n2"; "n1", "n2" ], edges)

[<Fact>]
let ``dot: labels are escaped`` () =
    let _, nodes, _ = readDot (Print.Dot(variable "a\"b\\c\nd\001" 1.0))
    Assert.StartsWith("|a\\\"b\\\\c\\nd \\nfloat64[]|", nodes["n1"])

[<Fact>]
let ``dot: the cotangent of ones is grey, the ones of a rule are not`` () =
    let y = tanh A
    let g = (Gradient.grad Unconnected.Zeros y [| A |])[0]
    let grey (text: string) =
        let _, nodes, _ = readDot text
        [ for n in nodes.Values do
              if n.Contains "lightgrey" then
                  n.Substring(0, n.LastIndexOf '|') ]
    Assert.Equal<string list>([ "|1\\nfloat64[2,3]" ], grey (Print.Dot g))
    Assert.Equal<string list>([ "|1\\nfloat64[2,3]" ], grey (Print.Dot [ y; g ]))
    Assert.Empty(grey (Print.Dot(A * onesLike A)))
    let cotangent = numbers "g" [ 2; 3 ]
    let back = vjp y cotangent [ A ]
    Assert.Equal<string list>([ "|g\\nfloat64[2,3]" ], grey (Print.Dot(back, [ cotangent ])))
    Assert.Empty(grey (Print.Dot back))

// ---- HTML --------------------------------------------------------------------------------------------------

[<Fact>]
let ``html: a page of its own with the title, saved in one step`` () =
    let e = perceptron ()
    let html = Print.Html("two <layers>", e)
    Assert.StartsWith("<!", html.TrimStart())
    Assert.Contains("two &lt;layers&gt;", html)
    let folder = Directory.CreateTempSubdirectory "diff-print"
    try
        let path = Path.Combine(folder.FullName, "graph.html")
        Print.SaveHtml(path, "two <layers>", e)
        Assert.Equal(html, File.ReadAllText path)
        Assert.Equal<string[]>([| path |], Directory.GetFiles folder.FullName)
    finally
        folder.Delete true
