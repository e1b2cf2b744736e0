using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>
/// Holds a kernel's log, and what it says of its own taint, against what is allowed: a kernel that complained cannot be green, and
/// neither can one of which nobody knows whether it did.
/// </summary>
public sealed class ComplaintGate
{
    private const int MostFrames = 4;

    private static readonly HashSet<string> Reporting = new(["show_stack", "dump_stack", "dump_stack_lvl", "dump_stack_print_info", "_printk", "vprintk", "__warn", "warn_slowpath_fmt", "__warn_printk", "check_panic_on_warn", "panic", "vpanic"], StringComparer.Ordinal);

    private readonly ImmutableArray<KernelAllowList> _allow;

    private readonly IReadOnlyDictionary<string, string>? _modules;

    private ComplaintGate(ImmutableArray<KernelAllowList> allow, IReadOnlyDictionary<string, string>? modules = null) => (_allow, _modules) = (allow, modules);

    /// <summary>Where the guest's kernel says what taints it.</summary>
    public const string TaintFile = "/proc/sys/kernel/tainted";

    /// <summary>Reads allow lists.</summary>
    /// <param name="paths">Their files.</param>
    /// <param name="known">A list that is always there; null for none.</param>
    /// <exception cref="ArgumentException">One cannot be read, or a line of it makes no sense; the message says which and why.</exception>
    public static ComplaintGate Open(IEnumerable<string> paths, KernelAllowList? known = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        var lists = ImmutableArray.CreateBuilder<KernelAllowList>();
        if (known is not null)
            lists.Add(known);
        foreach (string path in paths)
        {
            try
            {
                lists.Add(KernelAllowList.Load(path));
            }
            catch (KernelAllowListException e)
            {
                throw new ArgumentException($"the allow list cannot be used: {e.Problems[0]}{(e.Problems.Length > 1 ? $" (and {e.Problems.Length - 1} more)" : "")}", e);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new ArgumentException($"the allow list \"{path}\" cannot be read: {e.Message.TrimEnd('.')}", e);
            }
        }

        return new ComplaintGate(lists.ToImmutable());
    }

    /// <summary>The same, which also finds the source lines of frames in modules.</summary>
    /// <param name="modules">The modules' files, by name.</param>
    public ComplaintGate WithModules(IReadOnlyDictionary<string, string> modules) => new(_allow, modules);

    /// <summary>What taints a guest's kernel; null when that cannot be learned.</summary>
    public static async Task<ulong?> ReadTaintAsync(Guest guest, CancellationToken cancellationToken = default)
    {
        try
        {
            string text = await guest.ReadTextAsync(TaintFile, cancellationToken);
            return ulong.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : null;
        }
        catch (Exception e) when (e is GuestException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Judges a kernel's log.</summary>
    /// <param name="log">Its lines, time stamps and all.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="cancellationToken">Ends the programs that look for source lines.</param>
    public Task<ComplaintVerdict> JudgeAsync(IEnumerable<string> log, GuestKernel kernel, CancellationToken cancellationToken = default) =>
        JudgeAsync(log, kernel, _ => null, _ => false, cancellationToken);

    /// <summary>Judges a kernel's log.</summary>
    /// <param name="log">Its lines, time stamps and all.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="testOf">Tells the test during which a complaint came, as "suite.test"; null for none.</param>
    /// <param name="isTold">Whether something else tells of a complaint already, so that it is no problem of its own.</param>
    /// <param name="cancellationToken">Ends the programs that look for source lines.</param>
    public async Task<ComplaintVerdict> JudgeAsync(IEnumerable<string> log, GuestKernel kernel, Func<KernelComplaint, string?> testOf, Func<KernelComplaint, bool> isTold, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(isTold);
        ArgumentNullException.ThrowIfNull(testOf);
        ArgumentNullException.ThrowIfNull(log);
        ArgumentNullException.ThrowIfNull(kernel);
        var scanner = new KernelLogScanner();
        bool any = false;
        foreach (string line in log)
        {
            any = true;
            scanner.PushLine(line);
        }

        var problems = ImmutableArray.CreateBuilder<string>();
        var notes = ImmutableArray.CreateBuilder<string>();
        if (!any)
            problems.Add("the kernel's log could not be checked: it is empty");
        ImmutableArray<KernelComplaint> left = [.. scanner.Complete().Select(c => c with { Test = testOf(c) })];
        var allowed = ImmutableArray.CreateBuilder<(KernelComplaint, KernelAllowListEntry)>();
        var expired = new Dictionary<KernelComplaint, KernelAllowListEntry>();
        DateOnly today = DateOnly.FromDateTime(DateTime.UtcNow);
        foreach (KernelAllowList list in _allow)
        {
            KernelAllowListResult result = list.Apply(left, kernel.Release, today);
            left = result.Complaints;
            allowed.AddRange(result.Allowed);
            foreach ((KernelComplaint complaint, KernelAllowListEntry entry) in result.Expired)
                expired.TryAdd(complaint, entry);
        }

        if (!left.IsEmpty && FindSymbols(kernel) is { } image)
        {
            ImmutableArray<KernelComplaint> before = left;
            (left, ImmutableArray<string> unresolved) = await new FrameResolver(image, _modules).ResolveAsync(before, cancellationToken);
            notes.AddRange(unresolved.Take(3));
            for (int i = 0; i < before.Length; i++)
            {
                if (expired.TryGetValue(before[i], out KernelAllowListEntry? entry))
                    expired[left[i]] = entry;
            }
        }

        foreach (KernelComplaint complaint in left.Where(c => !isTold(c)))
            problems.Add(Describe(complaint, expired.GetValueOrDefault(complaint)));
        foreach (IGrouping<KernelAllowListEntry, (KernelComplaint Complaint, KernelAllowListEntry Entry)> group in allowed.GroupBy(a => a.Item2, ReferenceEqualityComparer.Instance as IEqualityComparer<KernelAllowListEntry>))
            notes.Add($"allowed {(group.Count() == 1 ? "" : $"{group.Count()} times ")}until {group.Key.Expires:yyyy-MM-dd}: {group.First().Complaint.Title} ({group.Key.Reason})");
        return new ComplaintVerdict(left, allowed.ToImmutable(), problems.ToImmutable(), notes.ToImmutable());
    }

    /// <summary>Judges a log and what taints the kernel now and did not before; a taint that goes with an allowed complaint is allowed.</summary>
    /// <param name="log">The log's lines.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="before">Its taint before what was tested; null when it could not be read.</param>
    /// <param name="after">The same after it.</param>
    /// <param name="cancellationToken">Ends the programs that look for source lines.</param>
    public async Task<ComplaintVerdict> JudgeAsync(IEnumerable<string> log, GuestKernel kernel, ulong? before, ulong? after, CancellationToken cancellationToken = default)
    {
        ComplaintVerdict verdict = await JudgeAsync(log, kernel, cancellationToken);
        if (before is not { } earlier || after is not { } later)
            return verdict with { Problems = verdict.Problems.Add($"the kernel's taint could not be checked: {TaintFile} cannot be read") };
        bool explained = !verdict.Complaints.IsEmpty || !verdict.Allowed.IsEmpty;
        KernelTaint[] added = [.. KernelTaint.Added(earlier, later)];
        foreach (KernelTaint taint in added.Where(t => !t.IsComplaint))
            verdict = verdict with { Notes = verdict.Notes.Add($"the kernel was tainted ({taint.Letter}): {taint.Reason}") };
        foreach (KernelTaint taint in added.Where(t => t.IsComplaint && !explained))
            verdict = verdict with { Problems = verdict.Problems.Add($"the kernel was tainted ({taint.Letter}): {taint.Reason}, and its log does not say by what") };
        return verdict;
    }

    private static string Describe(KernelComplaint complaint, KernelAllowListEntry? expired)
    {
        string message = complaint.Message is { Length: > 0 } text && !complaint.Title.Contains(text, StringComparison.Ordinal) ? $": {text}" : "";
        string frames = string.Concat(FramesOf(complaint).Take(MostFrames).Select(f => $"\n    {f}"));
        string old = expired is null ? "" : $"; {expired.File}:{expired.Line} allowed it ({expired.Reason}) until {expired.Expires:yyyy-MM-dd}, which is over";
        string during = complaint.Test is { } test ? $" during {test}" : "";
        return $"the kernel complained{during}: {complaint.Title}{message}{old}{frames}";
    }

    // A kernel without frame pointers is sure of no frame: what it then finds on the stack is a call where it is not a function's very
    // beginning, which is only a pointer to one, and not of what printed the report.
    private static IEnumerable<KernelStackFrame> FramesOf(KernelComplaint complaint)
    {
        KernelStackFrame[] known = [.. complaint.Frames.Where(f => !f.Source.IsDefaultOrEmpty)];
        KernelStackFrame[] sure = [.. known.Where(f => f.IsReliable)];
        return sure.Length > 0 ? sure : known.Where(f => f.Offset > 0 && !Reporting.Contains(f.Function));
    }

    // As the store keeps it, or as make leaves it.
    private static string? FindSymbols(GuestKernel kernel)
    {
        string directory = Path.GetDirectoryName(kernel.ExecutablePath) ?? "/";
        return ((string[])["linux.debug", "vmlinux"]).Select(f => Path.Combine(directory, f)).FirstOrDefault(File.Exists);
    }
}
