using System.Runtime.InteropServices;

namespace SealedMemory;

/// <summary>
/// A page of memory that cannot be unmapped or made writable again, where the kernel has that: mseal(2) came with 6.10. Before
/// that it is a read-only page like any other, and says so.
/// </summary>
public sealed unsafe partial class SealedPage
{
    private const int Size = 4096;
    private const int SysMseal = 462;
    private const int ProtRead = 1, ProtWrite = 2, MapPrivate = 2, MapAnonymous = 0x20;

    private readonly nint _address;

    public SealedPage(ReadOnlySpan<byte> content)
    {
        _address = mmap(0, Size, ProtRead | ProtWrite, MapPrivate | MapAnonymous, -1, 0);
        if (_address == -1)
            throw new OutOfMemoryException();
        content.CopyTo(new Span<byte>((void*)_address, Size));
        mprotect(_address, Size, ProtRead);
        IsSealed = syscall(SysMseal, _address, Size, 0) == 0;
    }

    /// <summary>Whether the kernel keeps the page as it is.</summary>
    public bool IsSealed { get; }

    public ReadOnlySpan<byte> Content => new((void*)_address, Size);

    /// <summary>Tries to take the page away; false if the kernel does not let it.</summary>
    public bool TryUnmap() => munmap(_address, Size) == 0;

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nint length);

    [LibraryImport("libc")]
    private static partial nint syscall(nint number, nint address, nint length, nint flags);
}
