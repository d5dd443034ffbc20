namespace Diff

/// What a file may ask for before it is refused. The defaults keep a hostile file from taking much memory or time; raise one to
/// load a file of your own that exceeds it, lower one where less is expected: `FileLimits(MaxUnpackedBytes = 8_000_000L)`.
[<Sealed>]
type FileLimits() =
    /// Bytes of a header: the JSON of a safetensors file, the directory of a zip file.
    member val MaxHeaderBytes = 100_000_000 with get, set
    /// Bytes of the header of a .npy file, also of one within a .npz file.
    member val MaxNpyHeaderBytes = 65_536 with get, set
    /// Arrays in one file, and columns of a table.
    member val MaxTensors = 1_000_000 with get, set
    /// Axes of an array.
    member val MaxRank = 32 with get, set
    /// Bytes that a compressed file (.npz, IDX in gzip) may hold once unpacked, all together.
    member val MaxUnpackedBytes = 4L <<< 30 with get, set
    /// How many times larger than its packed form a part of a zip file may be. Deflate cannot reach 1,033.
    member val MaxRatio = 1_100 with get, set
    /// Bytes of an ONNX model without its external data.
    member val MaxModelBytes = 2_000_000_000L with get, set
    /// Nodes of an ONNX graph; a recurrent layer may have a hundredth as many steps.
    member val MaxNodes = 1_000_000 with get, set
    /// Messages within messages of a protobuf file; graphs within graphs count three each.
    member val MaxDepth = 64 with get, set
    /// Elements of one array that an ONNX graph computes.
    member val MaxElements = 1L <<< 31 with get, set
    /// Elements computed while an ONNX graph is loaded, to find the shapes that it computes from constants.
    member val MaxFoldedElements = 1L <<< 24 with get, set

    /// The limits given, or the defaults.
    static member internal OrDefault(limits: FileLimits | null) : FileLimits =
        match limits with
        | null -> FileLimits()
        | given -> given
