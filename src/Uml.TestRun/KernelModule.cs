using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>A kernel module's file, and what it says of itself.</summary>
/// <param name="Path">The file.</param>
/// <param name="Name">Its name in the kernel: that of the file with '_' for '-', unless it says another.</param>
/// <param name="VersionMagic">What it was built for, as <c>modinfo -F vermagic</c> prints it: <c>7.3.0 SMP mod_unload</c>.</param>
/// <param name="Dependencies">The modules it needs.</param>
public sealed record KernelModule(string Path, string Name, string VersionMagic, ImmutableArray<string> Dependencies)
{
    /// <summary>The release it was built for.</summary>
    public string Release => VersionMagic.Split(' ', 2)[0];

    /// <summary>Reads a file.</summary>
    /// <exception cref="ArgumentException">It cannot be read, or is no module; the message says which and what to do.</exception>
    public static KernelModule Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"the module \"{path}\" cannot be read: {e.Message.TrimEnd('.')}", e);
        }

        if (bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x1f, 0x8b]) || bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z']) || bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x28, 0xb5, 0x2f, 0xfd]))
            throw new ArgumentException($"the module \"{path}\" is compressed: unpack it first (gunzip, unxz, unzstd)");
        if (!bytes.AsSpan().StartsWith("\u007fELF"u8) || Field(bytes, "vermagic=") is not { } magic)
            throw new ArgumentException($"\"{path}\" is no kernel module (.ko): it does not say what kernel it was built for");
        string name = Field(bytes, "name=") ?? System.IO.Path.GetFileNameWithoutExtension(path);
        return new KernelModule(path, name.Replace('-', '_'), magic.TrimEnd(), [.. (Field(bytes, "depends=") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)]);
    }

    /// <summary>Checks that a kernel takes it.</summary>
    /// <exception cref="ArgumentException">The kernel will not; the message says why and what to do.</exception>
    public void Check(GuestKernel kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        string remedy = "build it against that kernel's own build directory, or name the kernel it was built for with --kernel";
        if (Release != kernel.Release)
            throw new ArgumentException($"the module \"{Path}\" was built for Linux {Release}, and {kernel.Reference} is Linux {kernel.Release}: {remedy}");

        // The kernel compares the whole text with its own (kernel/module/version.c, same_magic), which stands in it.
        if (!KernelText.Contains(kernel.ExecutablePath, Encoding.UTF8.GetBytes(VersionMagic)))
        {
            throw new ArgumentException(KernelText.Contains(kernel.ExecutablePath, "vermagic"u8)
                ? $"the module \"{Path}\" was built for another configuration of Linux {Release} (\"{VersionMagic}\") than {kernel.Reference}: {remedy}"
                : $"kernel {kernel.Release} ({kernel.Reference}) takes no modules (CONFIG_MODULES is off): use one that does");
        }
    }

    // Its section .modinfo is a run of NAME=VALUE texts, each with a NUL at its end.
    private static string? Field(byte[] file, string name)
    {
        ReadOnlySpan<byte> key = Encoding.ASCII.GetBytes(name);
        for (int from = 0; file.AsSpan(from).IndexOf(key) is >= 0 and var offset; from += offset + 1)
        {
            // Not the end of another name, such as "filename=". Before the first of the section stands what is before the section.
            int start = from + offset;
            if (start > 0 && (char.IsAsciiLetterOrDigit((char)file[start - 1]) || file[start - 1] is (byte)'_' or (byte)'.'))
                continue;
            ReadOnlySpan<byte> rest = file.AsSpan(start + key.Length);
            int end = rest.IndexOf((byte)0);
            return end < 0 ? null : Encoding.UTF8.GetString(rest[..end]);
        }

        return null;
    }
}
