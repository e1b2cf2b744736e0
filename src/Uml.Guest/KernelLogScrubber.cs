using System.Text;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>
/// Makes a kernel log the same each time, for snapshot tests: what differs from boot to boot, from build to build or from host to
/// host becomes a word. <see cref="Scrub"/> is what Verify's <c>AddScrubber</c> takes.
/// </summary>
/// <remarks>
/// The words are RELEASE, BUILD, ARGUMENTS, ADDRESS, OFFSET, TIME, PID, SPEED, SIZE, COUNT, FD and HOST-PATH. Time stamps go away, and
/// so do the few lines whose place among the others is left to chance.
/// </remarks>
public static partial class KernelLogScrubber
{
    // In this order: what is told by more of its surroundings comes first.
    private static readonly (Regex Pattern, string Word)[] Rules =
    [
        (TimeStamp(), ""),
        (Wandering(), ""),
        (Version(), "Linux version RELEASE (BUILD)"),
        (Tainted(), "${what} RELEASE"),
        (Arguments(), "${what}ARGUMENTS"),
        (HostPath(), "HOST-PATH"),
        (Date(), "TIME"),
        (Audit(), "audit(TIME)"),
        (Offset(), "+OFFSET"),
        (Address(), "ADDRESS"),
        (LoopsPerJiffy(), "lpj=COUNT"),
        (StackWord(), "ADDRESS"),
        (Speed(), "SPEED"),
        (Process(), "${what}PID${end}"),
        (Descriptor(), "fd FD"),
        (Duration(), "TIME"),
        (Size(), "SIZE"),
        (Count(), "${what}COUNT"),
    ];

    /// <summary>Scrubs a log, or a text that holds one.</summary>
    /// <param name="log">The text; changed in place.</param>
    public static void Scrub(StringBuilder log)
    {
        ArgumentNullException.ThrowIfNull(log);
        string text = log.ToString();
        // Reports and modules name the release again, in places of their own.
        if (Release().Match(text) is { Success: true } release)
            text = text.Replace(release.Groups["release"].Value, "RELEASE", StringComparison.Ordinal);
        foreach ((Regex pattern, string word) in Rules)
            text = pattern.Replace(text, word);
        log.Clear().Append(text);
    }

    [GeneratedRegex(@"\bLinux version (?<release>\S+) \(", RegexOptions.ExplicitCapture)]
    private static partial Regex Release();

    [GeneratedRegex(@"^\[ *\d+\.\d{6}\](\[ *[TC]\d+\])? ?", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex TimeStamp();

    // What other threads of the kernel say while the first goes on.
    [GeneratedRegex(@"^(Freeing initrd memory: .*|Trying to unpack rootfs image as initramfs\.\.\.|random: crng init done|.*initramfs unpacking.*|clocksource: (tsc|timer): .*)\n", RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase)]
    private static partial Regex Wandering();

    [GeneratedRegex(@"\bLinux version \S+ \(.*")]
    private static partial Regex Version();

    [GeneratedRegex(@"(?<what>\b(Not tainted|Tainted:[A-Z ]*[A-Z])) +(?=\d)\S+( #\d+.*)?", RegexOptions.ExplicitCapture)]
    private static partial Regex Tainted();

    [GeneratedRegex(@"(?<what>\b(Kernel command line: |Unknown kernel command line parameters )).*", RegexOptions.ExplicitCapture)]
    private static partial Regex Arguments();

    [GeneratedRegex(@"[\w/-]*\buml-[0-9a-f]{6,}[\w/.-]*")]
    private static partial Regex HostPath();

    [GeneratedRegex(@"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d( UTC)?( \(\d+\))?", RegexOptions.ExplicitCapture)]
    private static partial Regex Date();

    [GeneratedRegex(@"\baudit\([\d.:]+\)")]
    private static partial Regex Audit();

    [GeneratedRegex(@"\+0x[0-9a-f]+/0x[0-9a-f]+", RegexOptions.IgnoreCase)]
    private static partial Regex Offset();

    [GeneratedRegex(@"\b0x[0-9a-f]+\b|\[<[0-9a-f]+>\]", RegexOptions.IgnoreCase)]
    private static partial Regex Address();

    [GeneratedRegex(@"\b(?=[0-9a-f]*\d)[0-9a-f]{8,16}\b")]
    private static partial Regex StackWord();

    [GeneratedRegex(@"\b\d+(\.\d+)? ?(BogoMIPS|[KMGT]i?B/s(ec)?)\b", RegexOptions.ExplicitCapture)]
    private static partial Regex Speed();

    [GeneratedRegex(@"\blpj=\d+")]
    private static partial Regex LoopsPerJiffy();

    [GeneratedRegex(@"(?<what>\b(PID:? |[Pp]id[:=]? ?|task:\S+ .*pid:|ppid:))\d+(?<end>)|(?<what>\w\[)\d+(?<end>\])", RegexOptions.ExplicitCapture)]
    private static partial Regex Process();

    [GeneratedRegex(@"\bfd \d+")]
    private static partial Regex Descriptor();

    [GeneratedRegex(@"\b\d+(\.\d+)? ?(ns|us|usecs?|ms|msecs?|secs?|seconds?)\b", RegexOptions.ExplicitCapture)]
    private static partial Regex Duration();

    [GeneratedRegex(@"\b\d+ ?([KMG](i?B)?|bytes)\b(/\d+[KMG]\b)?", RegexOptions.ExplicitCapture)]
    private static partial Regex Size();

    [GeneratedRegex(@"(?<what>\b(entries: |order:? |pages: |established |bind |nTxBlock = |nTxLock = |max_order=|timestamp_bits=|anon: |meta data: ))\d+( \+ \d+ = SIZE)?", RegexOptions.ExplicitCapture)]
    private static partial Regex Count();
}
