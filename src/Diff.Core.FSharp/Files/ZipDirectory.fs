namespace Diff

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text

/// A member of a zip file, as the directory and the member's own header agree on it.
[<NoEquality; NoComparison>]
type internal ZipEntry =
    {
        Name: string
        IsDeflated: bool
        Crc: uint32
        Packed: int64
        Unpacked: int64
        /// Where its packed bytes begin.
        Start: int64
    }

/// The directory of a zip file, read as if an enemy had written it: System.IO.Compression.ZipArchive checks neither checksums nor
/// duplicate names, members that share bytes, encryption flags or sizes.
/// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
[<RequireQualifiedAccess>]
module internal ZipDirectory =
    let private u16 (bytes: byte[]) at =
        int (BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(bytes, at, 2)))
    let private u32 (bytes: byte[]) at =
        BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(bytes, at, 4))
    let private u64 (bytes: byte[]) at =
        BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan(bytes, at, 8))

    let private localHeader, centralHeader, endRecord, end64, locator64 =
        0x04034b50u, 0x02014b50u, 0x06054b50u, 0x06064b50u, 0x07064b50u

    // General purpose flags: a descriptor behind the data, names in UTF-8, and two about how hard deflate tried.
    let private descriptorFlag, utf8Flag, allowedFlags =
        0x0008, 0x0800, 0x0008 ||| 0x0800 ||| 0x0006

    let private readAt (stream: Stream) (at: int64) (count: int) =
        let bytes = Array.zeroCreate<byte> count
        stream.Position <- at
        stream.ReadExactly bytes
        bytes

    /// Where the directory is: number of members, begin, length.
    let private findDirectory path (stream: Stream) : struct (uint64 * uint64 * uint64) =
        let fail text = FileText.fail path ("zip: " + text)
        let size = stream.Length
        let tail = readAt stream (max 0L (size - 65557L)) (int (min size 65557L))
        let rec find at =
            if at < 0 then
                fail "there is no end record: it is not a zip file, or it is truncated"
            elif u32 tail at = endRecord && at + 22 + u16 tail (at + 20) = tail.Length then
                at
            else
                find (at - 1)
        let at = find (tail.Length - 22)
        let position = size - int64 (tail.Length - at)
        if u16 tail (at + 4) <> 0 || u16 tail (at + 6) <> 0 then
            fail "it is a part of several files"
        let count, length, start =
            uint64 (u16 tail (at + 10)), uint64 (u32 tail (at + 12)), uint64 (u32 tail (at + 16))
        let isLarge = count = 0xFFFFUL || length = 0xFFFFFFFFUL || start = 0xFFFFFFFFUL
        let struct (count, start, length, limit) =
            if not isLarge then
                struct (count, start, length, position)
            else
                if position < 76L then
                    fail "the record of large sizes is missing"
                let locator = readAt stream (position - 20L) 20
                let record = position - 76L
                if u32 locator 0 <> locator64 || u64 locator 8 <> uint64 record then
                    fail "the record of large sizes is missing"
                let bytes = readAt stream record 56
                if u32 bytes 0 <> end64 then
                    fail "the record of large sizes is damaged"
                struct (u64 bytes 32, u64 bytes 48, u64 bytes 40, record)
        // The directory ends where the end record begins: nothing before the file, nothing between.
        if start > uint64 limit || length <> uint64 limit - start then
            fail
                $"the directory of {length} bytes at {start} does not end at {limit}, where its end record is"
        struct (count, start, length)

    /// Sizes and place of a member, with the extra field for large ones.
    let private sizes fail (bytes: byte[]) (extraAt: int) (extraLength: int) (values: uint64[]) =
        let mutable at, last = extraAt, extraAt + extraLength
        while at + 4 <= last do
            let id, length = u16 bytes at, u16 bytes (at + 2)
            if at + 4 + length > last then
                fail "its extra field is damaged"
            if id = 1 then
                let mutable from = at + 4
                for i in 0 .. values.Length - 1 do
                    if values[i] = 0xFFFFFFFFUL then
                        if from + 8 > at + 4 + length then
                            fail "its extra field for large sizes is too short"
                        values[i] <- u64 bytes from
                        from <- from + 8
            at <- at + 4 + length
        values

    let private nameOf fail (flags: int) (bytes: byte[]) at length : string =
        let isAscii =
            not (ReadOnlySpan(bytes, at, length).ContainsAnyExceptInRange(0uy, 127uy))
        if flags &&& utf8Flag <> 0 || isAscii then
            try
                UTF8Encoding(false, true).GetString(bytes, at, length)
            with :? DecoderFallbackException ->
                fail "its name is not UTF-8"
        else
            Encoding.Latin1.GetString(bytes, at, length)

    /// The members in the order of their bytes, and for each its flags and where its own header is.
    let private central path (limits: FileLimits) (bytes: byte[]) (count: uint64) (start: uint64) =
        let members = List<struct (ZipEntry * int * byte[])>()
        let names = HashSet<string>(StringComparer.Ordinal)
        let mutable at = 0
        for number in 0UL .. count - 1UL do
            let fail text =
                FileText.fail path $"zip: member {number}: {text}"
            if at + 46 > bytes.Length || u32 bytes at <> centralHeader then
                fail "its entry in the directory is missing or damaged"
            let nameLength, extraLength, commentLength =
                u16 bytes (at + 28), u16 bytes (at + 30), u16 bytes (at + 32)
            let last = at + 46 + nameLength + extraLength + commentLength
            if last > bytes.Length then
                fail "its entry reaches past the end of the directory"
            let flags = u16 bytes (at + 8)
            let name = nameOf fail flags bytes (at + 46) nameLength
            let fail text =
                FileText.fail path $"zip: member {FileText.quote name}: {text}"
            if not (names.Add name) then
                fail "duplicate name"
            if flags &&& 0x2041 <> 0 then
                fail "it is encrypted"
            if flags &&& ~~~allowedFlags <> 0 then
                fail $"flags 0x{flags:X4} are unknown"
            let methodCode = u16 bytes (at + 10)
            if methodCode <> 0 && methodCode <> 8 then
                fail $"compression method {methodCode} is unknown; 0 (stored) and 8 (deflate) are allowed"
            let values =
                sizes
                    fail
                    bytes
                    (at + 46 + nameLength)
                    extraLength
                    [| uint64 (u32 bytes (at + 24))
                       uint64 (u32 bytes (at + 20))
                       uint64 (u32 bytes (at + 42)) |]
            let unpacked, packed, place = values[0], values[1], values[2]
            if place > start || packed > start - place then
                fail $"size: {packed} bytes at {place} reach past the directory at {start}"
            if methodCode = 0 && packed <> unpacked then
                fail $"size: it is stored, but {packed} bytes are said to be {unpacked}"
            if unpacked / uint64 (max 1 limits.MaxRatio) > packed then
                fail
                    $"size: {packed} bytes are said to hold {unpacked}, more than {limits.MaxRatio} times as many"
            members.Add(
                struct ({ Name = name
                          IsDeflated = (methodCode = 8)
                          Crc = u32 bytes (at + 16)
                          Packed = int64 packed
                          Unpacked = int64 unpacked
                          Start = int64 place },
                        flags,
                        bytes[at + 46 .. at + 45 + nameLength])
            )
            at <- last
        if at <> bytes.Length then
            FileText.fail path $"zip: the directory has {bytes.Length - at} bytes after its last member"
        members.Sort(fun (struct (a, _, _)) (struct (b, _, _)) -> compare a.Start b.Start)
        members

    /// A member's own header says the same as the directory; gives where its bytes begin.
    let private checkLocal path (stream: Stream) (entry: ZipEntry) flags (name: byte[]) (limit: int64) =
        let fail text =
            FileText.fail path $"zip: member {FileText.quote entry.Name}: {text}"
        let overlap () =
            fail $"its bytes overlap with what begins at {limit}"
        let head = entry.Start + 30L + int64 name.Length
        if head > limit then
            overlap ()
        let bytes = readAt stream entry.Start (30 + name.Length)
        if u32 bytes 0 <> localHeader then
            fail "its own header is missing"
        let extraLength = u16 bytes 28
        if head + int64 extraLength + entry.Packed > limit then
            overlap ()
        let ownName =
            u16 bytes 26 = name.Length && bytes.AsSpan(30).SequenceEqual(ReadOnlySpan name)
        let isDeflated = u16 bytes 8 = 8
        let isStored = u16 bytes 8 = 0
        if
            not ownName
            || u16 bytes 6 <> flags
            || not (if entry.IsDeflated then isDeflated else isStored)
        then
            fail "name, flags or method differ between the directory and its own header"
        let extra = readAt stream head extraLength
        let values =
            sizes fail extra 0 extraLength [| uint64 (u32 bytes 22); uint64 (u32 bytes 18) |]
        let crc = u32 bytes 14
        let isLater = flags &&& descriptorFlag <> 0
        let agrees own said = own = said || (isLater && own = 0UL)
        if not (agrees (uint64 crc) (uint64 entry.Crc)) then
            fail $"CRC-32 0x{entry.Crc:X8} in the directory, 0x{crc:X8} in its own header"
        if
            not (
                agrees values[0] (uint64 entry.Unpacked)
                && agrees values[1] (uint64 entry.Packed)
            )
        then
            let here, there =
                $"{values[1]} and {values[0]}", $"{entry.Packed} and {entry.Unpacked}"
            fail $"size: {there} bytes, packed and unpacked, in the directory, {here} in its own header"
        { entry with
            Start = head + int64 extraLength }

    /// The members in the order of their bytes, with everything checked but their contents.
    let read (path: string) (limits: FileLimits) (stream: Stream) : ZipEntry[] =
        let struct (count, start, length) = findDirectory path stream
        if count > uint64 limits.MaxTensors then
            FileText.fail path $"zip: {count} members; at most {limits.MaxTensors} are allowed"
        if length > uint64 limits.MaxHeaderBytes then
            FileText.fail
                path
                $"zip: a directory of {length} bytes; at most {limits.MaxHeaderBytes} are allowed"
        let members =
            if count = 0UL then
                if length > 0UL then
                    FileText.fail path $"zip: a directory of {length} bytes, but no members"
                List()
            else
                central path limits (readAt stream (int64 start) (int length)) count start
        let total = members |> Seq.sumBy (fun (struct (e, _, _)) -> uint64 e.Unpacked)
        if total > uint64 limits.MaxUnpackedBytes then
            FileText.fail
                path
                $"zip: size: its members unpack to {total} bytes; at most {limits.MaxUnpackedBytes} are allowed"
        Array.init members.Count (fun i ->
            let struct (entry, flags, name) = members[i]
            let limit =
                if i + 1 < members.Count then
                    let struct (next, _, _) = members[i + 1]
                    next.Start
                else
                    int64 start
            checkLocal path stream entry flags name limit)
