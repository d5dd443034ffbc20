namespace Diff

open System
open System.Buffers.Binary

/// The checksum of zip and gzip (polynomial 0x04C11DB7, bits reversed), eight bytes at a time (Kounavis and Berry 2005).
[<RequireQualifiedAccess>]
module internal Crc32 =
    let private tables: uint32[][] =
        let first =
            Array.init 256 (fun n ->
                let mutable c = uint32 n
                for _ in 1..8 do
                    c <-
                        if c &&& 1u <> 0u then
                            0xEDB88320u ^^^ (c >>> 1)
                        else
                            c >>> 1
                c)
        let next (before: uint32[]) =
            before |> Array.map (fun c -> first[int (c &&& 0xFFu)] ^^^ (c >>> 8))
        Array.unfold (fun (k, table) -> if k = 8 then None else Some(table, (k + 1, next table))) (0, first)

    /// The checksum of bytes that follow others with the given checksum; 0 for none.
    let append (before: uint32) (bytes: ReadOnlySpan<byte>) : uint32 =
        let mutable crc = ~~~before
        let mutable rest = bytes
        let t = tables
        while rest.Length >= 8 do
            let word = BinaryPrimitives.ReadUInt64LittleEndian rest
            let low, high = uint32 word ^^^ crc, uint32 (word >>> 32)
            crc <-
                t[7][int (low &&& 0xFFu)]
                ^^^ t[6][int ((low >>> 8) &&& 0xFFu)]
                ^^^ t[5][int ((low >>> 16) &&& 0xFFu)]
                ^^^ t[4][int (low >>> 24)]
                ^^^ t[3][int (high &&& 0xFFu)]
                ^^^ t[2][int ((high >>> 8) &&& 0xFFu)]
                ^^^ t[1][int ((high >>> 16) &&& 0xFFu)]
                ^^^ t[0][int (high >>> 24)]
            rest <- rest.Slice 8
        for b in rest do
            crc <- t[0][int ((crc ^^^ uint32 b) &&& 0xFFu)] ^^^ (crc >>> 8)
        ~~~crc
