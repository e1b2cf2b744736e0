using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using Xunit;
using Xunit.Sdk;

namespace Uml.CI.TestHost;

/// <summary>Puts what became of a guest into the result of the test that runs.</summary>
internal static class GuestReport
{
    private const int LogLines = 20, TranscriptLines = 30;

    // The shared guests a test has used, with where their logs stood at its first use. Forgotten with the test.
    private static readonly ConditionalWeakTable<ITest, List<GuestUse>> Uses = [];

    private static bool HasFailed => TestContext.Current.TestState?.Result == TestResult.Failed;

    /// <summary>Notes that the test that runs uses a shared guest.</summary>
    public static void Use(Guest guest)
    {
        if (TestContext.Current.Test is not { } test)
            return;
        List<GuestUse> uses = Uses.GetOrCreateValue(test);
        lock (uses)
        {
            if (!uses.Exists(u => u.Guest == guest))
                uses.Add(new GuestUse(guest));
        }
    }

    /// <summary>Reports on the shared guests the test has used.</summary>
    public static void WriteUses()
    {
        if (TestContext.Current.Test is not { } test || !Uses.TryGetValue(test, out List<GuestUse>? uses))
            return;
        Uses.Remove(test);
        string[] states = HasFailed ? States(uses) : [];
        Write(uses, states);
    }

    /// <summary>What the guests do, asked of all at once; empty for one that has ended.</summary>
    public static string[] States(IReadOnlyList<GuestUse> uses) =>
        // A guest answers within a second or not at all. What has been cancelled by then was seen while it still was there.
        [.. Task.Run(() => Task.WhenAll(uses.Select(u => u.Guest.IsAlive ? u.Guest.InspectAsync() : Task.FromResult("")))).GetAwaiter().GetResult()
            .Zip(uses, (now, use) => use.StateAtCancellation is { Length: > 0 } then ? then : now)];

    /// <summary>Adds the kernels' complaints as warnings and, if the test has failed, everything there is to know.</summary>
    /// <param name="uses">The guests.</param>
    /// <param name="states">What they were doing, if it was asked.</param>
    /// <exception cref="GuestsLastWordsException">Nobody else can carry the last lines into the test's message.</exception>
    public static void Write(IReadOnlyList<GuestUse> uses, IReadOnlyList<string> states)
    {
        foreach (GuestUse use in uses)
        {
            ImmutableArray<KernelComplaint> complaints = use.Guest.KernelLog.Complaints;
            for (int i = 0; i < complaints.Length; i++)
            {
                // What a kernel says whenever it boots is worth knowing, and not this test's doing.
                if (i >= use.FirstComplaint)
                    TestContext.Current.AddWarning($"The guest's kernel reported ({complaints[i].Kind}): {complaints[i].Title}");
                else if (use.IsOwn)
                    TestContext.Current.AddWarning($"The guest's kernel reported before the test ({complaints[i].Kind}): {complaints[i].Title}");
            }
        }

        if (!HasFailed)
            return;
        string text = AttachAll(uses, states);
        if (text.Length > 0 && !FailureMessage.TryAdd(text))
            throw new GuestsLastWordsException(text);
    }

    /// <summary>Reports on guests whose test is being cancelled. Nothing can be thrown here, and the message may be out of reach.</summary>
    public static void WriteCancelled(IReadOnlyList<GuestUse> uses)
    {
        string[] states = States(uses);
        string text = uses.Count > 0 ? AttachAll(uses, states) : "The test had no guest yet: it waited for one, or its guest was booting.\n";
        foreach (string state in states.Where(s => s.Length > 0))
            Print($"What the guest was doing:\n{state.TrimEnd()}\n");
        if (text.Length > 0 && !FailureMessage.TryAdd(text))
            Print(text);
    }

    /// <summary>Attaches a kernel log to the test that runs.</summary>
    public static void AttachLog(string log) => Attach("kernel", ".log", log);

    private static string AttachAll(IReadOnlyList<GuestUse> uses, IReadOnlyList<string> states)
    {
        var last = new StringBuilder();
        for (int i = 0; i < uses.Count; i++)
        {
            GuestUse use = uses[i];
            AttachLog(use.Guest.KernelLog.ToString());
            string transcript = use.Transcript;
            if (transcript.Length > 0)
                Attach("transcript", ".txt", transcript);
            if (i < states.Count && states[i].Length > 0)
                Attach("guest-state", ".txt", states[i]);
            string which = uses.Count == 1 ? "" : $" {i + 1}";
            // Every guest that is taken down ends with the kernel saying so.
            Append(last, $"Kernel log of the guest{which} since the test began:", use.LogLines.Where(l => !l.StartsWith("reboot: ", StringComparison.Ordinal)).TakeLast(LogLines));
            Append(last, $"Last commands in the guest{which}:", transcript.TrimEnd().Split('\n').TakeLast(TranscriptLines));
        }

        return last.ToString();
    }

    private static void Append(StringBuilder text, string title, IEnumerable<string> lines)
    {
        string[] all = [.. lines];
        int end = Array.FindLastIndex(all, l => l.Length > 0) + 1;
        if (end == 0)
            return;
        text.Append(title).Append('\n');
        foreach (string line in all[..end])
            text.Append("  ").Append(line).Append('\n');
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
            Print($"{name}: {path}\n");
    }

    private static void Print(string text)
    {
        try
        {
            TestContext.Current.TestOutputHelper?.Write(text);
        }
        catch (InvalidOperationException)
        {
            // A test that ended itself when it was cancelled takes no output any more.
        }
    }
}
