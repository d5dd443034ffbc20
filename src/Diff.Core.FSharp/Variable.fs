namespace Diff

open System.Threading

/// A leaf of the graph that holds a value: an input, a parameter, a state. It equals only itself; the name is for printing.
[<Sealed>]
type internal Variable(name: string, shape: Shape, dtype: DType) =
    let mutable value: NDArray | null = null
    /// The name, for printing and for error messages; a module names its parameters by their path.
    member val Name = name with get, set
    member _.Shape = shape
    member _.DType = dtype
    /// The value, or null while there is none: a placeholder of a function, or an input not yet given.
    member _.Value
        with get () = Volatile.Read &value
        and set (v: NDArray | null) = Volatile.Write(&value, v)
    /// What `Backward` has accumulated so far; null before.
    member val Gradient: NDArray | null = null with get, set

[<RequireQualifiedAccess>]
module internal Variable =
    /// The value; fails where none was given.
    let valueOf (v: Variable) : NDArray =
        match v.Value with
        | null ->
            let name =
                if v.Name = "" then
                    "an input"
                else
                    $"the input \"{v.Name}\""
            invalidOp
                $"evaluate: {name} of shape {v.Shape}, {DType.name v.DType}, has no value; assign one, or pass it to a compiled function"
        | value -> value

    /// Checks that a value of an element type fits a variable.
    let checkAs operation (dtype: DType) (v: Variable) (value: NDArray) =
        let name () =
            if v.Name = "" then "the variable" else $"\"{v.Name}\""
        if not (value.Shape.Equals v.Shape) then
            raise (
                ShapeException
                    $"{operation}: {name ()} has shape {v.Shape}, got a value of shape {value.Shape}; reshape the value, or make a new variable"
            )
        if value.DType <> dtype then
            let what = if dtype = v.DType then "is" else "has derivatives of"
            raise (
                DTypeException
                    $"{operation}: {name ()} {what} {DType.name dtype}, got a value of {DType.name value.DType}; convert the value, or make a new variable"
            )

    /// Checks that a value fits a variable.
    let check operation (v: Variable) (value: NDArray) = checkAs operation v.DType v value
