using System.Globalization;

namespace Uml.CI;

/// <summary>Kernels from one release to another, both included: "6.1-6.12", "7.2-", "-6.6", "6.6" (which is all of 6.6.*).</summary>
internal sealed record KernelRange(IReadOnlyList<int> From, IReadOnlyList<int> To)
{
    public static KernelRange? Parse(string text)
    {
        string[] ends = text.Split('-', StringSplitOptions.TrimEntries);
        if (ends.Length > 2 || (ends.Length == 1 && ends[0].Length == 0) || (ends.Length == 2 && ends[0].Length + ends[1].Length == 0))
            return null;
        int[]? from = Numbers(ends[0]);
        int[]? to = Numbers(ends[^1]);
        return from is null || to is null ? null : new KernelRange(from, to);
    }

    /// <summary>Compares as far as the range is precise: 6.12.7 is within "6.1-6.12".</summary>
    public bool Contains(string release)
    {
        int end = 0;
        while (end < release.Length && (char.IsAsciiDigit(release[end]) || release[end] == '.'))
            end++;
        return Numbers(release[..end].TrimEnd('.')) is { Length: > 0 } numbers && Compare(numbers, From) >= 0 && Compare(numbers, To) <= 0;
    }

    private static int Compare(int[] release, IReadOnlyList<int> bound)
    {
        for (int at = 0; at < bound.Count; at++)
        {
            int difference = (at < release.Length ? release[at] : 0).CompareTo(bound[at]);
            if (difference != 0)
                return difference;
        }

        return 0;
    }

    private static int[]? Numbers(string text)
    {
        if (text.Length == 0)
            return [];
        string[] parts = text.Split('.');
        int[] numbers = new int[parts.Length];
        for (int at = 0; at < parts.Length; at++)
        {
            if (!int.TryParse(parts[at], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[at]))
                return null;
        }

        return numbers;
    }
}
