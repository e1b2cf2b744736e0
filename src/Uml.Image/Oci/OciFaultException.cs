using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>
/// What is wrong with an image or with the way to it, without the image's name: <see cref="OciImage"/> puts that in front.
/// </summary>
internal sealed class OciFaultException(string what, KernelProblem problem = KernelProblem.Other, Exception? inner = null) : Exception(what, inner)
{
    public KernelProblem Problem { get; } = problem;

    /// <summary>The same with the place in front of it: "layer 2 of 3 (sha256:...)".</summary>
    public OciFaultException At(string place) => new($"{place} {Message}", Problem, this);

    /// <summary>Text out of an image, fit for one line of a terminal: nothing in it can move the cursor or hide the rest.</summary>
    public static string Quote(string text)
    {
        StringBuilder quoted = new("'");
        foreach (Rune rune in text.EnumerateRunes())
        {
            bool isPlain = Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned);
            quoted.Append(isPlain ? rune.ToString() : $"\\u{{{rune.Value:x}}}");
            if (quoted.Length > 160)
                return quoted.Append("...'").ToString();
        }

        return quoted.Append('\'').ToString();
    }

    /// <summary>A number of bytes as people write it: "10.0 GiB".</summary>
    public static string Size(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):0.0} GiB",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):0.0} MiB",
        _ => $"{bytes} bytes",
    };
}
