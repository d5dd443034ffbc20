namespace Diff

open System
open System.Collections.Generic

// The messages of onnx.proto3, as far as they matter here: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3

/// Numbers of element types in ONNX files.
[<RequireQualifiedAccess>]
module internal OnnxType =
    let float, uint8, int8, uint16, int16, int32, int64 = 1, 2, 3, 4, 5, 6, 7
    let string, bool, float16, double, uint32, uint64 = 8, 9, 10, 11, 12, 13
    let bfloat16 = 16

    let private names =
        dict
            [ float, "float"
              uint8, "uint8"
              int8, "int8"
              uint16, "uint16"
              int16, "int16"
              int32, "int32"
              int64, "int64"
              string, "string"
              bool, "bool"
              float16, "float16"
              double, "double"
              uint32, "uint32"
              uint64, "uint64"
              bfloat16, "bfloat16" ]

    let name (code: int) =
        match names.TryGetValue code with
        | true, name -> name
        | _ -> $"type {code}"

    /// Bytes of an element; 0 where it cannot be loaded.
    let size (code: int) =
        if code = double || code = int64 || code = uint64 then
            8
        elif code = float || code = int32 || code = uint32 then
            4
        elif code = float16 || code = bfloat16 || code = int16 || code = uint16 then
            2
        elif code = int8 || code = uint8 || code = bool then
            1
        else
            0

    /// The element type that holds the same numbers; None where there is none.
    let dtype (code: int) : DType option =
        if code = float || code = float16 || code = bfloat16 then
            Some DType.Float32
        elif code = double then
            Some DType.Float64
        elif code = int32 || code = int16 || code = uint16 || code = int8 || code = uint8 then
            Some DType.Int32
        elif code = int64 || code = uint32 || code = uint64 then
            Some DType.Int64
        elif code = bool then
            Some DType.Bool
        else
            None

    let ofDType (dtype: DType) : int =
        match dtype with
        | DType.Float32 -> float
        | DType.Float64 -> double
        | DType.Int32 -> int32
        | DType.Int64 -> int64
        | DType.Bool -> bool
        | DType.Float16 -> float16
        | DType.BFloat16 -> bfloat16
        | other -> DType.unknown other

    /// What is stored with less precision than it is computed with: the type that rounds it.
    let half (code: int) : DType option =
        if code = float16 then Some DType.Float16
        elif code = bfloat16 then Some DType.BFloat16
        else None

/// A tensor as the file has it.
[<NoEquality; NoComparison>]
type internal OnnxTensor =
    {
        Name: string
        Dims: int64[]
        Type: int
        Raw: ReadOnlyMemory<byte> voption
        /// Values in typed fields: the field's number, and the bits of each.
        Typed: struct (int * int64[]) list
        /// Keys and values that say where the bytes are; empty when they are in the file.
        External: (string * string) list
        IsExternal: bool
    }

[<NoEquality; NoComparison; RequireQualifiedAccess>]
type internal OnnxAttribute =
    | Float of float32
    | Int of int64
    | Text of string
    | Tensor of OnnxTensor
    | Floats of float32[]
    | Ints of int64[]
    | Texts of string[]
    | Graph of OnnxGraph
    /// What no operation here takes: sparse tensors, types, references.
    | Other of string

and [<NoEquality; NoComparison>] internal OnnxNode =
    { Label: string
      OpType: string
      Domain: string
      Inputs: string[]
      Outputs: string[]
      Attributes: Dictionary<string, OnnxAttribute> }

/// An input or output: its axes are numbers, names, or unknown.
and [<NoEquality; NoComparison>] internal OnnxValue =
    {
        Name: string
        Type: int
        /// Null where the file says nothing of the shape.
        Axes: string[] | null
    }

and [<NoEquality; NoComparison>] internal OnnxGraph =
    { Nodes: OnnxNode[]
      Initializers: OnnxTensor[]
      Inputs: OnnxValue[]
      Outputs: OnnxValue[] }

[<NoEquality; NoComparison>]
type internal OnnxFile = { Opset: int; Graph: OnnxGraph }
