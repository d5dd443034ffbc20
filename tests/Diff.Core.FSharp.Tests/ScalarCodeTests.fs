/// Functions of F# over numbers that carry derivatives: inline functions find their members.
module ScalarCodeTests

open System
open Xunit
open Diff

let inline private mixture x =
    x * x + sqrt x ** x - abs (tanh x) / x + atan2 x (cosh x) + log10 (exp x)
    - x / sin (cos x + x)

let private slope f x = (f (x + 1e-6) - f (x - 1e-6)) / 2e-6

[<Fact>]
let ``an inline function has its derivative`` () =
    let derivative = Differentiate.Derivative((fun x -> mixture x), 1.5)
    Assert.Equal(slope mixture 1.5, derivative, 1e-8)

[<Fact>]
let ``an inline function has derivatives of second order`` () =
    let struct (value, first, second) =
        Differentiate.ValueAndDerivatives((fun x -> mixture x), 1.5)
    Assert.Equal(mixture 1.5, value, 1e-14)
    Assert.Equal(slope mixture 1.5, first, 1e-8)
    Assert.Equal(slope (fun t -> Differentiate.Derivative((fun x -> mixture x), t)) 1.5, second, 1e-8)

[<Fact>]
let ``a loop has its gradient in reverse, and comparisons look at values`` () =
    let f =
        ScalarFunction<Var<float>>(fun x ->
            let mutable sum = Var<float>.Zero
            for i in 0 .. x.Length - 1 do
                if x[i] > Var<float>.Zero then
                    sum <- sum + x[i] * x[i] * float (i + 1)
                else
                    sum <- sum - x[i]
            sum)
    Assert.Equal<float[]>([| 6.0; -1.0; 30.0 |], Differentiate.Gradient(f, ReadOnlySpan [| 3.0; -2.0; 5.0 |]))
