namespace Diff

open System
open System.Collections.Generic
open System.Globalization

/// Raised when derivatives agree with differences in fewer digits than asked for.
type DerivativeException(message: string) =
    inherit Exception(message)

/// A derivative beside the same number found in another way, at the index where the two differ most.
[<Sealed>]
type DerivativeComparison
    internal
    (argument: int, order: int, subject: string, digits: float, index: int[], analytic: float, numeric: float)
    =
    /// The position of the argument, from 0.
    member _.Argument = argument
    /// 1 for first derivatives, 2 for second ones.
    member _.Order = order
    /// What was compared with what.
    member _.Subject = subject
    /// How many digits agree at the worst index: 0 to 16.
    member _.Digits = digits
    /// The worst index: of the argument, or of the value where a tangent of the value was compared. Empty for a sum over all.
    member _.Index: IReadOnlyList<int> = Array.AsReadOnly index
    /// The derivative according to the rules.
    member _.Analytic = analytic
    /// The derivative found in the other way.
    member _.Numeric = numeric
    override _.ToString() =
        let text (format: string) (x: float) =
            x.ToString(format, CultureInfo.InvariantCulture)
        let place = if index.Length = 0 then "" else $" at {Shape.Text index}"
        let numbers = text "R" analytic + " against " + text "R" numeric
        $"argument {argument}, order {order}: "
        + text "F1" digits
        + $" digits, {subject}: {numbers}{place}"

/// What `Check` found: comparisons, and why there are none where there are none.
[<Sealed>]
type CheckReport internal (comparisons: DerivativeComparison[], notes: string[]) =
    /// One for each argument, order and way of comparing.
    member _.Comparisons: IReadOnlyList<DerivativeComparison> =
        Array.AsReadOnly comparisons
    /// What was not compared: arguments without derivatives, kinks, values that are not finite.
    member _.Notes: IReadOnlyList<string> = Array.AsReadOnly notes
    /// The fewest digits of all comparisons; NaN if there are none.
    member _.Digits =
        if comparisons.Length = 0 then
            nan
        else
            comparisons |> Array.map _.Digits |> Array.min
    /// The fewest digits of the comparisons for an argument and an order; NaN if there are none.
    member _.DigitsOf(argument: int, order: int) : float =
        match comparisons |> Array.filter (fun c -> c.Argument = argument && c.Order = order) with
        | [||] -> nan
        | some -> some |> Array.map _.Digits |> Array.min
    /// Fails if some comparison agrees in fewer digits, or if nothing could be compared.
    member this.ThrowIfWorseThan(digits: float) : unit =
        if comparisons.Length = 0 then
            raise (DerivativeException $"check: no derivative could be compared\n{this}")
        if not (this.Digits >= digits) then
            let text (x: float) =
                x.ToString("0.#", CultureInfo.InvariantCulture)
            raise (
                DerivativeException $"check: expected {text digits} digits, got {text this.Digits}\n{this}"
            )
    override _.ToString() =
        String.Join("\n", Seq.append (Seq.map string comparisons) notes)
