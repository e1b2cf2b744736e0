using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>What a kernel executable says about itself.</summary>
internal sealed partial record KernelImage(
    string Release, string Banner, bool IsSmp, string? Interpreter, IReadOnlyList<string> Needed, Version? RequiredGlibc)
{
    public bool IsStatic => Interpreter is null;

    /// <summary>Major and minor version of a release such as <c>6.12.90+deb13</c>.</summary>
    public static Version VersionOf(string release)
    {
        Match match = LeadingNumbers().Match(release);
        return match.Success
            ? new Version(int.Parse(match.Groups["major"].ValueSpan, CultureInfo.InvariantCulture), int.Parse(match.Groups["minor"].ValueSpan, CultureInfo.InvariantCulture))
            : new Version(0, 0);
    }

    /// <summary>Reads a kernel executable.</summary>
    /// <exception cref="ElfException">It is none; the message completes "PATH ...".</exception>
    public static KernelImage Read(string path)
    {
        // A FIFO or a device would block or never end.
        if (Native.Identify(path, followLink: true) is { } identity && (identity.Mode & 0xF000) != 0x8000)
            throw new ElfException("is not a regular file");
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
        ElfImage elf = ElfImage.Read(file);
        (string? banner, bool isUml) = Scan(file, elf);
        if (banner is null)
            throw new ElfException("holds no Linux version line, so it is not a kernel");
        if (!isUml)
            throw new ElfException("is a Linux kernel, but not one built for User-mode Linux (ARCH=um)");
        string release = banner["Linux version ".Length..banner.IndexOf(" (", StringComparison.Ordinal)];
        return new KernelImage(release, banner, SmpBuild().IsMatch(banner), elf.Interpreter, elf.Needed, elf.RequiredGlibc);
    }

    /// <summary>Looks for the version line and for a parameter only User-mode Linux has, in the loaded parts of the file.</summary>
    private static (string? Banner, bool IsUml) Scan(FileStream file, ElfImage elf)
    {
        const int Overlap = 4096;
        string? banner = null;
        bool isUml = false;
        byte[] buffer = new byte[1 << 20];
        foreach ((long offset, long length) in elf.LoadedParts)
        {
            long position = offset;
            long end = offset + length;
            int kept = 0;
            while (position < end)
            {
                int wanted = (int)Math.Min(buffer.Length - kept, end - position);
                int got = RandomAccess.Read(file.SafeFileHandle, buffer.AsSpan(kept, wanted), position);
                if (got == 0)
                    break;
                position += got;
                ReadOnlySpan<byte> window = buffer.AsSpan(0, kept + got);
                isUml = isUml || window.IndexOf("uml_dir="u8) >= 0;
                banner = BetterOf(banner, FindBanner(window));
                kept = Math.Min(Overlap, window.Length);
                window[^kept..].CopyTo(buffer);
            }
        }

        return (banner, isUml);
    }

    /// <summary>Kernels hold a second line without the build number, the template of /proc/version: the fuller one wins.</summary>
    private static string? BetterOf(string? one, string? other)
    {
        if (one is null || other is null)
            return one ?? other;
        return other.Length > one.Length ? other : one;
    }

    private static string? FindBanner(ReadOnlySpan<byte> window)
    {
        string? best = null;
        while (true)
        {
            int at = window.IndexOf("Linux version "u8);
            if (at < 0)
                return best;
            window = window[at..];
            int end = window.IndexOfAny((byte)0, (byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? window : window[..end];
            if (line.Length < 1024)
            {
                string text = Encoding.UTF8.GetString(line);
                if (BannerLine().IsMatch(text))
                    best = BetterOf(best, text);
            }

            window = window["Linux version "u8.Length..];
        }
    }

    [GeneratedRegex(@"^Linux version \d+\.\d+\S* \(", RegexOptions.CultureInvariant)]
    private static partial Regex BannerLine();

    [GeneratedRegex(@"^(?<major>\d{1,6})\.(?<minor>\d{1,6})", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex LeadingNumbers();

    [GeneratedRegex(@" #\d+\S* (\S+ )*?SMP( |$)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex SmpBuild();
}
