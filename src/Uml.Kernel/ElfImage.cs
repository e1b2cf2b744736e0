using System.Buffers.Binary;
using System.Text;

namespace Uml.CI;

/// <summary>A file is no ELF executable this machine can run. The message completes "PATH ...".</summary>
internal sealed class ElfException(string message) : Exception(message);

/// <summary>What the program headers and the dynamic section of an x86-64 executable say. Every offset is checked.</summary>
internal sealed class ElfImage
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const uint LoadSegment = 1;
    private const uint DynamicSegment = 2;
    private const uint InterpreterSegment = 3;

    // The kernel refuses longer ones (binfmt_elf, PATH_MAX with the NUL).
    private const int MaximumInterpreter = 4096;
    private const int MaximumTable = 16 << 20;

    private readonly FileStream _file;
    private readonly long _length;
    private readonly List<Segment> _segments = [];

    private ElfImage(FileStream file)
    {
        _file = file;
        _length = file.Length;
    }

    private readonly record struct Segment(uint Type, ulong Offset, ulong Address, ulong FileSize, long HeaderOffset);

    /// <summary>The loader the executable asks for, or null when it is static.</summary>
    public string? Interpreter { get; private set; }

    /// <summary>The shared libraries it names.</summary>
    public IReadOnlyList<string> Needed { get; private set; } = [];

    /// <summary>The oldest glibc that has every symbol version it asks for, or null when it asks for none.</summary>
    public Version? RequiredGlibc { get; private set; }

    /// <summary>The parts of the file that are loaded, as offset and length.</summary>
    public IEnumerable<(long Offset, long Length)> LoadedParts =>
        _segments.Where(s => s.Type == LoadSegment && s.FileSize > 0).Select(s => ((long)s.Offset, (long)s.FileSize));

    /// <summary>Reads an executable.</summary>
    /// <exception cref="ElfException">It is none, or not for x86-64, or damaged.</exception>
    public static ElfImage Read(FileStream file)
    {
        ElfImage image = new(file);
        image.ReadHeaders();
        image.ReadDynamic();
        return image;
    }

    /// <summary>
    /// Copies an executable and makes the copy ask for another loader. The program header may point anywhere in the file,
    /// so the path is appended and nothing else moves.
    /// </summary>
    public static void CopyWithInterpreter(string source, string destination, string interpreter)
    {
        if (!interpreter.StartsWith('/') || interpreter.Contains('\0', StringComparison.Ordinal))
            throw new ElfException($"cannot be given the loader '{interpreter}', which is no absolute path");
        byte[] path = Encoding.UTF8.GetBytes(interpreter + "\0");
        if (path.Length > MaximumInterpreter)
            throw new ElfException($"cannot be given a loader whose path has {path.Length - 1} bytes; Linux takes at most {MaximumInterpreter - 1}");

        long header;
        long end;
        using (FileStream input = File.OpenRead(source))
        {
            ElfImage image = Read(input);
            Segment? segment = image._segments.Where(s => s.Type == InterpreterSegment).Select(s => (Segment?)s).FirstOrDefault();
            header = segment?.HeaderOffset ?? throw new ElfException("is static and takes no loader");
            using FileStream output = UnixFiles.CreateExecutable(destination);
            input.Position = 0;
            input.CopyTo(output);
            end = output.Length;
            output.Write(path);

            Span<byte> word = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(word, (ulong)end);
            output.Position = header + 8; // p_offset
            output.Write(word);
            BinaryPrimitives.WriteUInt64LittleEndian(word, (ulong)path.Length);
            output.Position = header + 32; // p_filesz
            output.Write(word);
            output.Write(word); // p_memsz
        }
    }

    private void ReadHeaders()
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        int got = RandomAccess.Read(_file.SafeFileHandle, header, 0);
        if (got >= 2 && header[0] == 'M' && header[1] == 'Z')
            throw new ElfException("is a kernel for a real machine (bzImage), not a User-mode Linux executable");
        if (got >= 2 && header[0] == '#' && header[1] == '!')
            throw new ElfException("is a script, not a kernel executable");
        if (got < 4 || !header[..4].SequenceEqual("\u007fELF"u8))
            throw new ElfException("is not an ELF executable");
        if (got < HeaderSize)
            throw new ElfException("is cut off within its ELF header");
        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(header[18..]);
        if (header[5] == 2)
            machine = BinaryPrimitives.ReadUInt16BigEndian(header[18..]);
        if (header[4] != 2 || header[5] != 1 || machine != 62)
            throw new ElfException($"is built for {MachineName(machine, header[4])}; kernels run here as x86-64 executables");
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(header[16..]);
        if (type is not (2 or 3))
            throw new ElfException(type == 1 ? "is an object file or a kernel module, not an executable" : $"is an ELF file of type {type}, not an executable");
        ulong tableOffset = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        ushort entrySize = BinaryPrimitives.ReadUInt16LittleEndian(header[54..]);
        ushort entries = BinaryPrimitives.ReadUInt16LittleEndian(header[56..]);
        if (entries == 0)
            throw new ElfException("has no program headers, so it cannot be executed");
        if (entrySize != ProgramHeaderSize || entries == 0xffff)
            throw new ElfException("has damaged program headers");

        byte[] table = ReadBytes(tableOffset, (ulong)entries * ProgramHeaderSize, "program headers");
        for (int i = 0; i < entries; i++)
        {
            ReadOnlySpan<byte> entry = table.AsSpan(i * ProgramHeaderSize, ProgramHeaderSize);
            Segment segment = new(
                BinaryPrimitives.ReadUInt32LittleEndian(entry),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]),
                BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]),
                (long)tableOffset + (i * ProgramHeaderSize));
            if (segment.Type is LoadSegment or DynamicSegment or InterpreterSegment && segment.FileSize > 0)
                CheckRange(segment.Offset, segment.FileSize, "a segment");
            _segments.Add(segment);
        }

        foreach (Segment segment in _segments.Where(s => s.Type == InterpreterSegment))
        {
            if (Interpreter is not null)
                throw new ElfException("names two loaders");
            if (segment.FileSize is < 2 or > MaximumInterpreter)
                throw new ElfException("names its loader in a damaged way");
            byte[] path = ReadBytes(segment.Offset, segment.FileSize, "loader's name");
            if (path[^1] != 0)
                throw new ElfException("names its loader in a damaged way");
            Interpreter = Encoding.UTF8.GetString(path, 0, Array.IndexOf(path, (byte)0));
        }
    }

    private void ReadDynamic()
    {
        foreach (Segment segment in _segments.Where(s => s.Type == DynamicSegment && s.FileSize > 0).Take(1))
        {
            byte[] dynamic = ReadBytes(segment.Offset, segment.FileSize, "dynamic section");
            List<ulong> neededNames = [];
            ulong strings = 0, stringsSize = 0, versions = 0, versionCount = 0;
            for (int i = 0; i + 16 <= dynamic.Length; i += 16)
            {
                ulong tag = BinaryPrimitives.ReadUInt64LittleEndian(dynamic.AsSpan(i));
                ulong value = BinaryPrimitives.ReadUInt64LittleEndian(dynamic.AsSpan(i + 8));
                if (tag == 0)
                    break;
                switch (tag)
                {
                    case 1: neededNames.Add(value); break;
                    case 5: strings = value; break;
                    case 10: stringsSize = value; break;
                    case 0x6ffffffe: versions = value; break;
                    case 0x6fffffff: versionCount = value; break;
                    default: break;
                }
            }

            if (strings == 0 || stringsSize == 0)
                return;
            byte[] names = ReadBytes(ToOffset(strings), stringsSize, "string table");
            Needed = [.. neededNames.Select(n => Name(names, n))];
            if (versions != 0)
                ReadVersions(ToOffset(versions), versionCount, names);
        }
    }

    /// <summary>Walks the chain of required symbol versions (Elf64_Verneed and Elf64_Vernaux, 16 bytes each).</summary>
    private void ReadVersions(ulong offset, ulong count, byte[] names)
    {
        for (ulong i = 0; i < Math.Min(count, 1024); i++)
        {
            byte[] need = ReadBytes(offset, 16, "symbol versions");
            ushort versions = BinaryPrimitives.ReadUInt16LittleEndian(need.AsSpan(2));
            ulong entryOffset = checked(offset + BinaryPrimitives.ReadUInt32LittleEndian(need.AsSpan(8)));
            for (int j = 0; j < versions; j++)
            {
                byte[] entry = ReadBytes(entryOffset, 16, "symbol versions");
                if (GlibcVersionOf(Name(names, BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(8)))) is { } version
                    && (RequiredGlibc is null || version > RequiredGlibc))
                    RequiredGlibc = version;
                uint nextEntry = BinaryPrimitives.ReadUInt32LittleEndian(entry.AsSpan(12));
                if (nextEntry == 0)
                    break;
                entryOffset = checked(entryOffset + nextEntry);
            }

            uint next = BinaryPrimitives.ReadUInt32LittleEndian(need.AsSpan(12));
            if (next == 0)
                break;
            offset = checked(offset + next);
        }
    }

    private static Version? GlibcVersionOf(string name)
    {
        // Markers without a number, and the release that brought each.
        if (name == "GLIBC_ABI_DT_RELR")
            return new Version(2, 36);
        return name.StartsWith("GLIBC_", StringComparison.Ordinal) && Version.TryParse(name.AsSpan(6), out Version? version) ? version : null;
    }

    private static string Name(byte[] names, ulong at)
    {
        if (at >= (ulong)names.Length)
            throw new ElfException("has a damaged string table");
        int end = Array.IndexOf(names, (byte)0, (int)at);
        if (end < 0)
            throw new ElfException("has a damaged string table");
        return Encoding.UTF8.GetString(names, (int)at, end - (int)at);
    }

    private ulong ToOffset(ulong address)
    {
        foreach (Segment segment in _segments)
        {
            if (segment.Type == LoadSegment && address >= segment.Address && address - segment.Address < segment.FileSize)
                return segment.Offset + (address - segment.Address);
        }

        throw new ElfException("has a dynamic section that points outside the file");
    }

    private void CheckRange(ulong offset, ulong size, string what)
    {
        if (offset > (ulong)_length || size > (ulong)_length - offset)
            throw new ElfException($"is cut off or damaged: its {what} lies outside the file");
    }

    private byte[] ReadBytes(ulong offset, ulong size, string what)
    {
        CheckRange(offset, size, what);
        if (size > MaximumTable)
            throw new ElfException($"is damaged: its {what} has {size} bytes");
        byte[] bytes = new byte[size];
        int done = 0;
        while (done < bytes.Length)
        {
            int got = RandomAccess.Read(_file.SafeFileHandle, bytes.AsSpan(done), (long)offset + done);
            if (got == 0)
                throw new ElfException($"is cut off within its {what}");
            done += got;
        }

        return bytes;
    }

    private static string MachineName(ushort machine, byte bits) => machine switch
    {
        3 => "32-bit x86 (i386)",
        8 => "MIPS",
        20 => "32-bit PowerPC",
        21 => "PowerPC (ppc64)",
        22 => "IBM Z (s390x)",
        40 => "32-bit ARM",
        62 => bits == 1 ? "x32" : "x86-64 with a foreign byte order",
        183 => "ARM (aarch64)",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => $"another architecture (ELF machine {machine})",
    };
}
