using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A suite whose end has not been read yet.</summary>
internal sealed class KtapSuite(KtapSuite? parent, int marks, int indent, long line)
{
    public KtapSuite? Parent { get; } = parent;

    public int Depth { get; } = parent is null ? 0 : parent.Depth + 1;

    /// <summary>How many "#" marks kselftest puts before its lines.</summary>
    public int Marks { get; } = marks;

    public int Indent { get; } = indent;

    public long Line { get; } = line;

    public string Name { get; set; } = "";

    public bool IsTap { get; set; }

    public bool HasVersion { get; set; }

    /// <summary>Not the suite's own header, but an earlier one of the log, without indentation to tell.</summary>
    public bool IsFlat => Parent is not null && Parent.Marks == Marks && Parent.Indent == Indent;

    public bool HasIndentedSuite { get; set; }

    /// <summary>Suites within it were too deep to be read.</summary>
    public bool IsOverfull { get; set; }

    public bool HidesFailure { get; set; }

    public int? Plan { get; set; }

    public bool IsSkipped { get; set; }

    public string SkipReason { get; set; } = "";

    /// <summary>The number that comes next.</summary>
    public int Next { get; set; } = 1;

    public List<KtapTest> Tests { get; } = [];

    /// <summary>Whether its tests are numbered 1, 2, 3.</summary>
    public bool IsSequence { get; set; } = true;

    /// <summary>How far the result that was indented least is indented.</summary>
    public int LeastIndent { get; set; } = int.MaxValue;

    public int LastIndent { get; set; } = int.MaxValue;

    public List<KtapLogLine> Log { get; } = [];

    public List<KtapComplaint> Complaints { get; } = [];

    public SortedDictionary<string, string> Attributes { get; } = new(StringComparer.Ordinal);

    /// <summary>Numbers that were left out, the first few.</summary>
    public List<int> Gaps { get; } = [];

    public long StartStamp { get; set; } = -1;

    /// <summary>When what runs now began: the last result, or the suite's header.</summary>
    public long LastStamp { get; set; } = -1;

    public KtapTest? Stray { get; set; }

    public int StrayIndent { get; set; }

    public string? BailedOut { get; set; }

    public KtapTotals? Totals { get; set; }

    public bool IsComplete => Plan is { } plan && (Tests.Count >= plan || Next > plan);

    public bool IsFresh => Tests.Count == 0 && Plan is null && Stray is null;

    public ImmutableArray<string> Path()
    {
        if (Parent is null)
            return [];
        string[] names = new string[Depth - 1];
        KtapSuite suite = Parent;
        for (int at = names.Length - 1; at >= 0; at--, suite = suite.Parent!)
            names[at] = suite.Name;
        return [.. names];
    }

    /// <summary>The path of a test in it.</summary>
    public ImmutableArray<string> PathWithin() => Parent is null ? [] : Path().Add(Name);
}
