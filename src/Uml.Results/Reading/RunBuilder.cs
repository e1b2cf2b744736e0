using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Puts a run together again from the entries of a format.</summary>
internal sealed class RunBuilder(ReportRun run)
{
    private readonly ImmutableArray<ReportTest>.Builder _tests = ImmutableArray.CreateBuilder<ReportTest>();
    private readonly List<ReportError> _errors = [];
    private readonly List<ReportComplaint> _complaints = [];
    private ReportTest? _implied;

    /// <summary>What is known of it beside its tests.</summary>
    public ReportRun Run { get; set; } = run;

    public void Add(ReportTest test) => _tests.Add(test);

    /// <summary>An entry of ours that stands for something else than a test.</summary>
    /// <param name="kind">What it stands for, in small letters.</param>
    /// <param name="test">The entry.</param>
    public void Add(string kind, ReportTest test)
    {
        switch (kind)
        {
            case "error":
                _errors.Add(new ReportError(test.Message, test.Details == test.Message ? "" : test.Details));
                break;
            case "complaint":
                _complaints.Add(new ReportComplaint { Kind = test.ErrorType.Length > 0 ? test.ErrorType : "complaint", Title = test.Message, Text = test.Details, SourceFile = test.SourceFile, SourceLine = test.SourceLine });
                break;
            case "implied":
                _implied = test;
                break;
            default:
                _tests.Add(test);
                break;
        }
    }

    public ReportRun Build()
    {
        ReportRun built = Run with { Tests = _tests.ToImmutable(), Errors = Run.Errors.AddRange(_errors), Complaints = Run.Complaints.AddRange(_complaints) };

        // Why it failed may be lost on the way; that it did may not.
        if (_implied is not null && built.Succeeded)
            built = built with { Errors = [new ReportError(_implied.Message, _implied.Details)] };
        if (built.Started is null && built.Tests.Any(t => t.Started is not null))
            built = built with { Started = built.Tests.Min(t => t.Started) };
        if (built.Duration == TimeSpan.Zero)
        {
            TimeSpan sum = TimeSpan.FromTicks(built.Tests.Sum(t => t.Duration.Ticks));
            TimeSpan? span = built.Tests.Where(t => t.Started is not null).Max(t => t.Started + t.Duration) - built.Started;
            built = built with { Duration = span > sum ? span.Value : sum };
        }

        return built;
    }
}
