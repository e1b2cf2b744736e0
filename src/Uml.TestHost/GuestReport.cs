using System.Runtime.CompilerServices;
using System.Text;
using Xunit;
using Xunit.Sdk;

namespace Uml.CI.TestHost;

/// <summary>Puts what a guest's kernel said into the result of the test that runs.</summary>
internal static class GuestReport
{
    private const int OutputLines = 40;

    // The shared guests a test has used, with where their logs stood at its first use. Forgotten with the test.
    private static readonly ConditionalWeakTable<ITest, List<SharedUse>> Uses = [];

    private sealed record SharedUse(Guest Guest, int Lines, int Reports);

    /// <summary>Notes that the test that runs uses a shared guest.</summary>
    public static void Use(Guest guest)
    {
        if (TestContext.Current.Test is not { } test)
            return;
        List<SharedUse> uses = Uses.GetOrCreateValue(test);
        lock (uses)
        {
            if (!uses.Exists(u => u.Guest == guest))
                uses.Add(new SharedUse(guest, guest.KernelLog.Lines.Count, guest.KernelLog.Reports.Count));
        }
    }

    /// <summary>Reports on the shared guests the test has used.</summary>
    public static void WriteUses()
    {
        if (TestContext.Current.Test is not { } test || !Uses.TryGetValue(test, out List<SharedUse>? uses))
            return;
        Uses.Remove(test);
        foreach (SharedUse use in uses)
            Write(use.Guest.KernelLog, use.Lines, use.Reports);
    }

    /// <summary>Adds the kernel's complaints as warnings and, if the test has failed, the log.</summary>
    /// <param name="log">The guest's log.</param>
    /// <param name="firstLine">The first line that is of this test.</param>
    /// <param name="firstReport">The first complaint that is of this test.</param>
    public static void Write(KernelLog log, int firstLine, int firstReport)
    {
        foreach (KernelReport report in log.Reports.Skip(firstReport))
            TestContext.Current.AddWarning($"The guest's kernel reported ({report.Kind}): {report.Title}");
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
            WriteLog(log, firstLine);
    }

    /// <summary>Reports on a guest whose test is being cancelled: its log, and what it is doing.</summary>
    public static void WriteCancelled(Guest guest, int firstLine)
    {
        // The guest answers within a second or not at all.
        string state = Task.Run(() => guest.InspectAsync()).GetAwaiter().GetResult();
        if (state.Length > 0)
        {
            Attach("guest-state", ".txt", state);
            TestContext.Current.TestOutputHelper?.Write($"What the guest was doing:\n{state.TrimEnd()}\n");
        }

        WriteLog(guest.KernelLog, firstLine);
    }

    /// <summary>Attaches a kernel log to the test that runs.</summary>
    public static void AttachLog(string log) => Attach("kernel", ".log", log);

    private static void WriteLog(KernelLog log, int firstLine)
    {
        AttachLog(log.ToString());
        // Every guest that is taken down ends with the kernel saying so.
        KernelLogLine[] lines = [.. log.Lines.Skip(firstLine).Where(l => !l.Text.StartsWith("reboot: ", StringComparison.Ordinal))];
        if (lines.Length == 0)
            return;
        var text = new StringBuilder("The guest's kernel log since the test began:\n");
        foreach (KernelLogLine line in lines.TakeLast(OutputLines))
            text.Append("  ").Append(line.Text).Append('\n');
        TestContext.Current.TestOutputHelper?.Write(text.ToString());
    }

    // Attached, and below the results directory where there is one.
    private static void Attach(string stem, string extension, string text)
    {
        ITestContext context = TestContext.Current;
        if (context.Test is null)
            return;
        // A test that uses several guests has a file of each.
        string name = stem + extension;
        for (int i = 2; context.Attachments?.ContainsKey(name) == true; i++)
            name = $"{stem}-{i}{extension}";
        context.AddAttachment(name, text);
        if (ResultsDirectory.Write(context.Test, name, text) is { } path)
            context.TestOutputHelper?.WriteLine($"{name}: {path}");
    }
}
