/// Nonlinear regression problems of NIST/ITL (Statistical Reference Datasets), with certified parameters and standard deviations.
module Diff.Solvers.Regression

open System
open System.Globalization
open System.IO
open Diff

/// A problem: its data, the certified results, and the two starts that go with them.
type Problem =
    {
        Name: string
        Level: string
        Start1: float[]
        Start2: float[]
        Parameters: float[]
        Deviations: float[]
        SumOfSquares: float
        /// Response and predictors, one array each.
        Response: float[]
        Predictors: float[][]
    }

/// The models: parameters one by one and predictors to values.
let private model name : (int -> Expr) -> Expr[] -> Expr =
    let cubicRational (b: int -> Expr) (x: Expr) =
        (b 1 + x * (b 2 + x * (b 3 + x * b 4)))
        / (1.0 + x * (b 5 + x * (b 6 + x * b 7)))
    let gaussians (b: int -> Expr) (x: Expr) =
        let bell height centre width =
            b height * exp (-(square (x - b centre) / square (b width)))
        b 1 * exp (-(b 2) * x) + bell 3 4 5 + bell 6 7 8
    match name with
    | "Misra1a"
    | "BoxBOD" -> fun b x -> b 1 * (1.0 - exp (-(b 2) * x[0]))
    | "Misra1b" -> fun b x -> b 1 * (1.0 - (1.0 + b 2 * x[0] / 2.0) ** -2.0)
    | "Misra1c" -> fun b x -> b 1 * (1.0 - (1.0 + 2.0 * b 2 * x[0]) ** -0.5)
    | "Misra1d" -> fun b x -> b 1 * b 2 * x[0] / (1.0 + b 2 * x[0])
    | "Chwirut1"
    | "Chwirut2" -> fun b x -> exp (-(b 1) * x[0]) / (b 2 + b 3 * x[0])
    | "Lanczos1"
    | "Lanczos2"
    | "Lanczos3" ->
        fun b x ->
            b 1 * exp (-(b 2) * x[0])
            + b 3 * exp (-(b 4) * x[0])
            + b 5 * exp (-(b 6) * x[0])
    | "Gauss1"
    | "Gauss2"
    | "Gauss3" -> fun b x -> gaussians b x[0]
    | "DanWood" -> fun b x -> b 1 * x[0] ** b 2
    | "Kirby2" ->
        fun b x ->
            let x = x[0]
            (b 1 + x * (b 2 + x * b 3)) / (1.0 + x * (b 4 + x * b 5))
    | "Hahn1"
    | "Thurber" -> fun b x -> cubicRational b x[0]
    | "Nelson" -> fun b x -> b 1 - b 2 * x[0] * exp (-(b 3) * x[1])
    | "MGH17" -> fun b x -> b 1 + b 2 * exp (-(b 4) * x[0]) + b 3 * exp (-(b 5) * x[0])
    | "Roszman1" -> fun b x -> b 1 - b 2 * x[0] - atan (b 3 / (x[0] - b 4)) / Math.PI
    | "ENSO" ->
        fun b x ->
            let t = 2.0 * Math.PI * x[0]
            let wave c s (period: Expr) =
                c * cos (t / period) + s * sin (t / period)
            b 1
            + wave (b 2) (b 3) (scalar 12.0)
            + wave (b 5) (b 6) (b 4)
            + wave (b 8) (b 9) (b 7)
    | "MGH09" ->
        fun b x ->
            let x = x[0]
            b 1 * (x * x + x * b 2) / (x * x + x * b 3 + b 4)
    | "Rat42" -> fun b x -> b 1 / (1.0 + exp (b 2 - b 3 * x[0]))
    | "Rat43" -> fun b x -> b 1 / (1.0 + exp (b 2 - b 3 * x[0])) ** (1.0 / b 4)
    | "MGH10" -> fun b x -> b 1 * exp (b 2 / (x[0] + b 3))
    | "Eckerle4" -> fun b x -> b 1 / b 2 * exp (-0.5 * square ((x[0] - b 3) / b 2))
    | "Bennett5" -> fun b x -> b 1 * (b 2 + x[0]) ** (-1.0 / b 3)
    | other -> invalidArg "name" $"there is no model {other}"

/// The residuals as a function of the parameters. Nelson's model is of the logarithm of the response.
let residuals (problem: Problem) : Expr -> Expr =
    let vector (values: float[]) : Expr = constant (NDArray.op_Implicit values)
    let response =
        if problem.Name = "Nelson" then
            Array.map Math.Log problem.Response
        else
            problem.Response
    let y, xs = vector response, Array.map vector problem.Predictors
    fun b -> model problem.Name (fun i -> at 0 (i - 1) b) xs - y

let private read (text: string) : Problem =
    let words (line: string) =
        line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
    let number (s: string) =
        Double.Parse(s, CultureInfo.InvariantCulture)
    let lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    let heading = words lines[0]
    let parameters =
        lines
        |> Array.filter _.StartsWith("parameter ")
        |> Array.map (fun line -> words line |> Array.tail |> Array.map number)
    let residual = lines |> Array.find _.StartsWith("residual ") |> words
    let rows =
        lines[parameters.Length + 2 ..]
        |> Array.map (fun line -> words line |> Array.map number)
    { Name = heading[0]
      Level = heading[1]
      Start1 = parameters |> Array.map (fun p -> p[0])
      Start2 = parameters |> Array.map (fun p -> p[1])
      Parameters = parameters |> Array.map (fun p -> p[2])
      Deviations = parameters |> Array.map (fun p -> p[3])
      SumOfSquares = number residual[1]
      Response = rows |> Array.map (fun row -> row[0])
      Predictors = Array.init (rows[0].Length - 1) (fun k -> rows |> Array.map (fun row -> row[k + 1])) }

/// All problems, in the order of difficulty.
let problems: Problem list =
    let assembly = Reflection.Assembly.GetExecutingAssembly()
    use reader =
        new StreamReader(nonNull (assembly.GetManifestResourceStream "strd.txt"))
    reader.ReadToEnd().Split("\nproblem ")
    |> Array.tail // what comes first is a comment
    |> Array.map read
    |> List.ofArray

/// How many digits agree: −log₁₀ of the relative error, at most the 11 that are certified.
let digits (certified: float) (computed: float) : float =
    let error =
        if certified = 0.0 then
            abs computed
        else
            abs (computed - certified) / abs certified
    if not (Double.IsFinite error) then 0.0
    elif error = 0.0 then 11.0
    else max 0.0 (min 11.0 (-(Math.Log10 error)))

/// The fewest digits over several numbers.
let fewest (certified: float[]) (computed: float[]) : float =
    Array.map2 digits certified computed |> Array.min
