namespace Diff

open System
open System.Collections.Generic
open System.IO

/// Named arrays from a file of any format: .safetensors, .npz, .npy, .csv and IDX (.idx, -ubyte, with or without .gz). A format
/// that holds one array gives it the name "".
[<AbstractClass; Sealed>]
type TensorFile =
    /// The format that the name of a file says; null where it says none.
    static member private FormatOf(path: string) : string | null =
        let name = string (Path.GetFileName path)
        let plain = not (name.EndsWith(".gz", StringComparison.OrdinalIgnoreCase))
        let name = (if plain then name else name[.. name.Length - 4]).ToLowerInvariant()
        match Path.GetExtension name with
        | ".safetensors" when plain -> "safetensors"
        | ".npz" when plain -> "npz"
        | ".npy" when plain -> "npy"
        | ".csv" when plain -> "csv"
        | ".idx" -> "idx"
        | _ when name.EndsWith("-ubyte", StringComparison.Ordinal) -> "idx"
        | _ -> null

    /// Loads a file as the format of that name.
    /// <param name="path">The file.</param>
    /// <param name="format">safetensors, npz, npy, csv or idx; null for what the name of the file says.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:System.ArgumentException">There is no such format.</exception>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load
        (path: string, format: string | null, limits: FileLimits | null)
        : IReadOnlyDictionary<string, NDArray> =
        ArgumentException.ThrowIfNullOrEmpty(path, nameof path)
        let one (array: NDArray) : IReadOnlyDictionary<string, NDArray> =
            Dictionary(dict [ "", array ], StringComparer.Ordinal)
        let format =
            match format with
            | null -> TensorFile.FormatOf path
            | given -> given
        match format with
        | "safetensors" -> Safetensors.Load(path, limits).Tensors
        | "npz" -> Npz.Load(path, limits)
        | "npy" -> one (Npy.Load(path, limits))
        | "csv" -> one (Csv.Load(path, null, limits).Values)
        | "idx" -> one (Idx.Load(path, limits))
        | _ ->
            let known = "safetensors, npz, npy, csv and idx are"
            let problem =
                match format with
                | null -> "its name says no format"
                | other -> $"format {FileText.quote other} is unknown"
            raise (ArgumentException $"TensorFile.Load: {path}: {problem}; {known} known")

    /// Loads a file as the format that its name says.
    /// <param name="path">The file.</param>
    /// <exception cref="T:System.ArgumentException">The name says no known format.</exception>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : IReadOnlyDictionary<string, NDArray> =
        TensorFile.Load(path, null, null)
