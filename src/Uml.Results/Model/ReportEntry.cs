using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>What an entry of a report stands for.</summary>
internal enum ReportEntryKind
{
    Test,

    /// <summary>A <see cref="ReportError"/>.</summary>
    Error,

    /// <summary>A <see cref="ReportComplaint"/>.</summary>
    Complaint,

    /// <summary>What follows from the rest of the run: its exit status, that it has no tests.</summary>
    Implied,
}

/// <summary>A test, or what formats that know nothing else have as one.</summary>
internal sealed record ReportEntry(ReportEntryKind Kind, ReportTest Test)
{
    /// <summary>Tells apart tests of one name in a run: rows of a theory, further attempts.</summary>
    public int Ordinal { get; init; }

    /// <summary>The name in formats with one list for all kernels.</summary>
    public string DisplayName(ReportRun run) => run.Kernel.Length > 0 ? $"{Test.FullName} [{run.Kernel}]" : Test.FullName;

    /// <summary>An identifier made of the names alone, so that reports of different days have the same for the same test.</summary>
    public Guid Id(ReportRun run, string use) => Identifier.Of(use, run.Kernel, run.Name, Test.FullName, Kind.ToString(), Ordinal.ToString());

    /// <summary>All entries of a run.</summary>
    public static IEnumerable<ReportEntry> Of(ReportRun run)
    {
        Dictionary<string, int> seen = new(StringComparer.Ordinal);
        foreach (ReportTest test in run.Tests)
        {
            int ordinal = seen.GetValueOrDefault(test.FullName);
            seen[test.FullName] = ordinal + 1;
            yield return new ReportEntry(ReportEntryKind.Test, test) { Ordinal = ordinal };
        }

        int other = 0;
        foreach (ReportEntry entry in run.FailedOtherwise)
            yield return entry with { Ordinal = other++ };
    }
}

/// <summary>Identifiers made of names.</summary>
internal static class Identifier
{
    /// <summary>Always the same for the same words; RFC 9562's version 8.</summary>
    public static Guid Of(params ReadOnlySpan<string> words)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string word in words)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(word));
            hash.AppendData([0]);
        }

        byte[] bytes = hash.GetHashAndReset()[..16];
        bytes[6] = (byte)(bytes[6] & 0x0f | 0x80);
        bytes[8] = (byte)(bytes[8] & 0x3f | 0x80);
        return new Guid(bytes, bigEndian: true);
    }
}
