namespace Diff

open System
open System.Collections.Generic
open System.IO

/// Models in the ONNX format, https://onnx.ai: graphs saved as models for inference (format 8, opset 17), and models of opset 7 to 22
/// loaded as expressions. float16 and bfloat16 are loaded as float32, small integers as int32: the same numbers, and computed so.
[<AbstractClass; Sealed>]
type Onnx =
    /// The names of the operations that can be loaded.
    static member Operations: IReadOnlyList<string> = Array.AsReadOnly Importer.operations

    /// Loads a model. Everything in the file is checked: names, shapes, sizes; files beside it are opened only within its folder and
    /// never through links (hard links cannot be told apart). Where all shapes are known the graph is built once to find what is wrong with it.
    /// <param name="path">The file.</param>
    /// <param name="sizes">Extents of axes that the file only names; null for none. Others follow from the inputs.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has an operation that cannot be loaded;
    /// the message names it.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load
        (path: string, sizes: IReadOnlyDictionary<string, int> | null, limits: FileLimits | null)
        : OnnxModel =
        let limits = FileLimits.OrDefault limits
        let bytes =
            use stream = ElementStream.openRead path
            if stream.Length > limits.MaxModelBytes then
                FileText.fail
                    path
                    $"the model has {stream.Length} bytes; at most {limits.MaxModelBytes} are allowed"
            let bytes = GC.AllocateUninitializedArray<byte>(int stream.Length)
            try
                stream.ReadExactly(bytes.AsSpan())
            with :? EndOfStreamException as e ->
                raise (DiffFormatException(path, "the file became shorter while it was read", e))
            bytes
        let file = OnnxParser.parse path limits bytes
        Importer.check path file.Graph
        let initial = Dictionary<string, Expr>(StringComparer.Ordinal)
        for tensor in file.Graph.Initializers do
            let value = TensorData.load path limits tensor
            initial[tensor.Name] <-
                if DType.isFloat value.DType then
                    Leaf.make tensor.Name value
                else
                    Leaf.literal value
        let sizes: IReadOnlyDictionary<string, int> =
            match sizes with
            | null -> Dictionary<string, int>()
            | sizes -> sizes
        let model = OnnxModel(path, file, limits, sizes, initial)
        match model.Placeholders() with
        | null -> ()
        | inputs -> model.Apply inputs |> ignore
        model

    /// Loads a model whose axes are numbers, or follow from the inputs.
    /// <param name="path">The file.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has an operation that cannot be loaded;
    /// the message names it.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : OnnxModel = Onnx.Load(path, null, null)

    /// Saves a graph as a model in one step. Variables that are not inputs become its weights, with the values they hold now; the
    /// same graph gives the same bytes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="inputs">Variables with names: what has to be given.</param>
    /// <param name="outputs">What comes out, by name.</param>
    /// <exception cref="T:System.NotSupportedException">An operation has no counterpart in ONNX; the message names it.</exception>
    /// <exception cref="T:System.ArgumentException">An input is no variable, or a name is there twice.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save
        (path: string, inputs: IEnumerable<Expr>, outputs: IEnumerable<KeyValuePair<string, Expr>>)
        : unit =
        ArgumentNullException.ThrowIfNull(inputs, nameof inputs)
        ArgumentNullException.ThrowIfNull(outputs, nameof outputs)
        let outputs = outputs |> Seq.map (fun o -> o.Key, o.Value) |> Array.ofSeq
        if outputs.Length = 0 then
            invalidArg (nameof outputs) "Onnx.Save: expected at least one output, got none"
        AtomicFile.Write(path, Exporter.run (Array.ofSeq inputs) outputs)

    /// Saves a graph with one output, named "output".
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="inputs">Variables with names: what has to be given.</param>
    /// <param name="output">What comes out.</param>
    /// <exception cref="T:System.NotSupportedException">An operation has no counterpart in ONNX; the message names it.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, inputs: IEnumerable<Expr>, output: Expr) : unit =
        Onnx.Save(path, inputs, [ KeyValuePair("output", output) ])

    /// Saves what a compiled function does with such arguments; its inputs are named arg0, arg1 …, its outputs output0, output1 …
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="f">The function.</param>
    /// <param name="args">Arguments of the shapes and element types that the model is to have; their numbers do not matter.</param>
    /// <exception cref="T:System.NotSupportedException">An operation has no counterpart in ONNX; the message names it.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, f: CompiledFunction, [<ParamArray>] args: NDArray[]) : unit =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        let struct (inputs, outputs) = f.Trace args
        let named = outputs |> Array.mapi (fun i o -> KeyValuePair($"output{i}", o))
        Onnx.Save(path, inputs, named)
