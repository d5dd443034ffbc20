namespace Diff

open System
open System.IO
open System.IO.Compression

/// So many bytes of a file, from where it stands.
[<Sealed>]
type internal PartStream(inner: Stream, length: int64) =
    inherit Stream()
    let mutable left = length
    override _.CanRead = true
    override _.CanSeek = false
    override _.CanWrite = false
    override _.Length = length
    override _.Position
        with get () = length - left
        and set _ = raise (NotSupportedException())
    override _.Flush() = ()
    override _.Read(buffer: Span<byte>) : int =
        let read = inner.Read(buffer.Slice(0, int (min left (int64 buffer.Length))))
        left <- left - int64 read
        read
    override this.Read(buffer: byte[], offset: int, count: int) : int = this.Read(Span(buffer, offset, count))
    override _.Seek(_, _) = raise (NotSupportedException())
    override _.SetLength _ = raise (NotSupportedException())
    override _.Write(_: byte[], _: int, _: int) : unit = raise (NotSupportedException())

/// A member of a zip file, unpacked while it is read, with the checksum of what was read.
[<Sealed>]
type internal ZipMember(path: string, file: Stream, entry: ZipEntry) =
    inherit Stream()
    let fail text : unit =
        FileText.fail path $"zip: member {FileText.quote entry.Name}: {text}"
    let part = new PartStream(file, entry.Packed)
    let inner: Stream =
        file.Position <- entry.Start
        if entry.IsDeflated then
            new DeflateStream(part, CompressionMode.Decompress)
        else
            part
    let mutable crc, count = 0u, 0L

    /// Nothing may be left, and all that was read must have the checksum of the directory.
    member _.Finish() : unit =
        if count = entry.Unpacked && inner.ReadByte() >= 0 then
            fail $"size: it unpacks to more than the {entry.Unpacked} bytes that the directory says"
        if count <> entry.Unpacked then
            fail $"size: it unpacks to {count} bytes, the directory says {entry.Unpacked}"
        if crc <> entry.Crc then
            fail $"CRC-32 is 0x{crc:X8}, the directory says 0x{entry.Crc:X8}: its bytes are damaged"

    override _.CanRead = true
    override _.CanSeek = false
    override _.CanWrite = false
    override _.Length = entry.Unpacked
    override _.Position
        with get () = count
        and set _ = raise (NotSupportedException())
    override _.Flush() = ()
    override _.Read(buffer: Span<byte>) : int =
        let wanted = int (min (int64 buffer.Length) (entry.Unpacked - count))
        let read = inner.Read(buffer.Slice(0, wanted))
        crc <- Crc32.append crc (Span<byte>.op_Implicit(buffer.Slice(0, read)))
        count <- count + int64 read
        read
    override this.Read(buffer: byte[], offset: int, count: int) : int = this.Read(Span(buffer, offset, count))
    override _.Seek(_, _) = raise (NotSupportedException())
    override _.SetLength _ = raise (NotSupportedException())
    override _.Write(_: byte[], _: int, _: int) : unit = raise (NotSupportedException())
    override _.Dispose(disposing: bool) =
        if disposing then
            inner.Dispose()
        base.Dispose disposing
