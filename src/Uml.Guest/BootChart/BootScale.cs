using System.Globalization;

namespace Uml.CI;

/// <summary>Times as the charts write them.</summary>
internal static class BootScale
{
    /// <summary>A time in milliseconds, with as many digits as mean something: <c>0.024</c>, <c>3.1</c>, <c>120</c>.</summary>
    public static string Milliseconds(TimeSpan time)
    {
        double value = time.TotalMilliseconds;
        return value.ToString(Math.Abs(value) switch { >= 99.95 => "0", >= 0.95 => "0.0", >= 0.0995 => "0.00", > 0 => "0.000", _ => "0" }, CultureInfo.InvariantCulture);
    }

    /// <summary>The distance between ticks, so that there are about <paramref name="ticks"/> of them: 1, 2 or 5 times a power of ten, in milliseconds.</summary>
    public static double Step(double milliseconds, int ticks)
    {
        double rough = Math.Max(milliseconds, 1e-3) / Math.Max(1, ticks);
        double power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        double factor = (rough / power) switch { <= 1 => 1, <= 2 => 2, <= 5 => 5, _ => 10 };
        return factor * power;
    }

    /// <summary>Splits a text into lines of at most <paramref name="width"/> characters, at spaces where it can.</summary>
    public static IEnumerable<string> Wrap(string text, int width)
    {
        string line = "";
        foreach (string whole in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string word = whole;
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            while (word.Length > width)
            {
                yield return word[..width];
                word = word[width..];
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        if (line.Length > 0)
            yield return line;
    }

    /// <summary>A text of at most <paramref name="width"/> characters.</summary>
    public static string Shorten(string text, int width) => text.Length <= width ? text : text[..(width - 1)] + "…";
}
