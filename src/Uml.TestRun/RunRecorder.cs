using System.Collections.Immutable;
using System.Globalization;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>Makes results of a test framework's messages. A message at a time; when the guest is lost, what it owes counts as failed.</summary>
/// <param name="expected">The test cases that were found before.</param>
/// <param name="result">Told each result.</param>
/// <param name="error">Told each failure that is no test's.</param>
internal sealed class RunRecorder(ImmutableArray<ITestCaseDiscovered> expected, Action<TestResult> result, Action<string> error) : IMessageSink
{
    // Equal rows of a theory, and what a discoverer finds twice, share an identifier.
    private readonly Dictionary<string, ITestCaseMetadata> _cases = expected.DistinctBy(c => c.TestCaseUniqueID, StringComparer.Ordinal).ToDictionary(c => c.TestCaseUniqueID, c => (ITestCaseMetadata)c, StringComparer.Ordinal);
    private readonly Dictionary<string, ITestStarting> _running = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);
    private readonly HashSet<string> _begunCases = new(StringComparer.Ordinal);
    private readonly HashSet<string> _endedCases = new(StringComparer.Ordinal);
    private readonly List<TestResult> _results = [];
    private readonly List<string> _errors = [];

    public ImmutableArray<TestResult> Results => [.. _results];

    public ImmutableArray<string> Errors => [.. _errors];

    /// <summary>The environment the framework names; empty until it began.</summary>
    public string Environment { get; private set; } = "";

    public string Framework { get; private set; } = "";

    /// <summary>What the framework counted; null until it has ended.</summary>
    public ITestAssemblyFinished? Finished { get; private set; }

    /// <inheritdoc/>
    public bool OnMessage(IMessageSinkMessage message)
    {
        switch (message)
        {
            case ITestAssemblyStarting assembly:
                Environment = assembly.TestEnvironment;
                Framework = assembly.TestFrameworkDisplayName;
                break;
            case ITestAssemblyFinished finished:
                Finished = finished;
                break;
            case ITestCaseStarting begun:
                _cases[begun.TestCaseUniqueID] = begun;
                _begunCases.Add(begun.TestCaseUniqueID);
                break;
            case ITestCaseFinished ended:
                _endedCases.Add(ended.TestCaseUniqueID);
                break;
            case ITestStarting test:
                _running[test.TestUniqueID] = test;
                break;
            case ITestFinished { Attachments.Count: > 0 } test when _places.TryGetValue(test.TestUniqueID, out int place):
                _results[place] = _results[place] with { Attachments = _results[place].Attachments.AddRange(test.Attachments) };
                break;
            case ITestResultMessage ended and (ITestPassed or ITestFailed or ITestSkipped or ITestNotRun):
                Add(ended);
                break;
            case IErrorMetadata broken:
                AddError(Describe(broken));
                break;
        }

        return true;
    }

    /// <summary>Notes a failure that is no test's.</summary>
    /// <param name="text">The first line says it.</param>
    public void AddError(string text)
    {
        _errors.Add(text);
        error(text);
    }

    /// <summary>The guest, or the program in it, has ended before its time: tests that ran have failed, and so have tests that did not come to run.</summary>
    /// <param name="cause">What happened, one line.</param>
    /// <param name="detail">What there is to know about it.</param>
    public void Lose(string cause, string detail)
    {
        bool blamed = _running.Count > 0;
        foreach (ITestStarting test in _running.Values.ToArray())
        {
            Take(Describe(test.TestCaseUniqueID, test.TestDisplayName) with { Outcome = TestOutcome.Failed, Message = cause, StackTrace = detail, Started = test.StartTime, Finished = DateTimeOffset.UtcNow });
            _begunCases.Remove(test.TestCaseUniqueID);
            _endedCases.Add(test.TestCaseUniqueID);
        }

        _running.Clear();
        foreach ((string id, ITestCaseMetadata test) in _cases.Where(c => !_endedCases.Contains(c.Key)).ToArray())
        {
            bool begun = _begunCases.Contains(id);
            _endedCases.Add(id);
            Take(Describe(id, test.TestCaseDisplayName) with
            {
                Outcome = TestOutcome.Failed,
                NeverBegan = !begun,
                Message = begun ? cause : $"not run: {cause}",
                Started = DateTimeOffset.UtcNow,
                Finished = DateTimeOffset.UtcNow,
            });
        }

        // Where a test carries the detail, once is enough.
        AddError(blamed || detail.Length == 0 ? cause : $"{cause}\n{detail}");
    }

    private void Add(ITestResultMessage ended)
    {
        _running.Remove(ended.TestUniqueID, out ITestStarting? begun);
        TestResult test = Describe(ended.TestCaseUniqueID, begun?.TestDisplayName) with
        {
            Duration = TimeSpan.FromSeconds((double)ended.ExecutionTime),
            Started = begun?.StartTime ?? ended.FinishTime,
            Finished = ended.FinishTime,
            Output = ended.Output ?? "",
            Warnings = [.. ended.Warnings ?? []],
        };
        if (begun?.Traits is { Count: > 0 } traits)
            test = test with { Traits = Flatten(traits) };
        _places[ended.TestUniqueID] = _results.Count;
        Take(ended switch
        {
            ITestFailed failed => test with
            {
                Outcome = TestOutcome.Failed,
                ExceptionType = failed.ExceptionTypes.FirstOrDefault() ?? "",
                Message = ExceptionUtility.CombineMessages(failed) ?? "",
                StackTrace = ExceptionUtility.CombineStackTraces(failed) ?? "",
            },
            ITestSkipped skipped => test with { Outcome = TestOutcome.Skipped, Message = skipped.Reason },
            ITestNotRun => test with { Outcome = TestOutcome.NotRun },
            _ => test with { Outcome = TestOutcome.Passed },
        });
    }

    private void Take(TestResult test)
    {
        _results.Add(test);
        result(test);
    }

    private TestResult Describe(string caseId, string? name) => _cases.TryGetValue(caseId, out ITestCaseMetadata? known)
        ? new TestResult
        {
            Name = name ?? known.TestCaseDisplayName,
            ClassName = known.TestClassName ?? "",
            MethodName = known.TestMethodName ?? "",
            SourceFile = known.SourceFilePath,
            SourceLine = known.SourceLineNumber,
            Traits = Flatten(known.Traits),
        }
        : new TestResult { Name = name ?? "a test without a name" };

    private static ImmutableArray<(string Name, string Value)> Flatten(IReadOnlyDictionary<string, IReadOnlyCollection<string>> traits) =>
        [.. traits.SelectMany(t => t.Value.Select(v => (t.Key, v)))];

    private static string Describe(IErrorMetadata broken)
    {
        string what = broken switch
        {
            ITestAssemblyCleanupFailure => "cleaning up after the assembly failed",
            ITestCollectionCleanupFailure => "cleaning up after a collection failed",
            ITestClassCleanupFailure => "cleaning up after a class failed",
            ITestMethodCleanupFailure or ITestCaseCleanupFailure or ITestCleanupFailure => "cleaning up after a test failed",
            _ => "the test framework failed",
        };
        string trace = ExceptionUtility.CombineStackTraces(broken) is { Length: > 0 } text ? "\n" + text : "";
        return string.Create(CultureInfo.InvariantCulture, $"{what}: {ExceptionUtility.CombineMessages(broken)}{trace}");
    }
}
