using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>
/// Estimates how many files a configuration compiles, from the lists in Kbuild's makefiles. Good to some percent: enough to say how
/// far a build is, before it has been done once.
/// </summary>
internal sealed partial class ObjectCount
{
    private readonly string _tree;
    private readonly KernelConfiguration _configuration;
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
    private int _objects;

    private ObjectCount(string tree, KernelConfiguration configuration)
    {
        _tree = tree;
        _configuration = configuration;
    }

    /// <summary>Counts.</summary>
    public static int Estimate(string tree, KernelConfiguration configuration)
    {
        ObjectCount count = new(tree, configuration);
        foreach (string directory in (string[])["init", "usr", "arch/um", "arch/um/kernel", "arch/um/drivers", "arch/um/os-Linux", "arch/x86/um", "arch/x86/crypto", "kernel", "certs", "mm", "fs", "ipc", "security", "crypto", "block", "io_uring", "drivers", "sound", "net", "virt", "lib", "arch/x86/lib"])
            count.Add(directory);
        return count._objects;
    }

    private void Add(string directory)
    {
        string path = Path.Combine(_tree, directory);
        string? file = ((string[])["Kbuild", "Makefile"]).Select(f => Path.Combine(path, f)).FirstOrDefault(File.Exists);
        if (file is null || !_seen.Add(Path.GetFullPath(path)) || _seen.Count > 5000)
            return;
        Dictionary<string, List<string>> lists = Lists(File.ReadAllLines(file));
        foreach (string item in lists.GetValueOrDefault("obj", []).Concat(lists.GetValueOrDefault("lib", [])))
        {
            if (item.EndsWith('/'))
                Add(Path.Combine(directory, item.TrimEnd('/')));
            else if (item.EndsWith(".o", StringComparison.Ordinal))
                _objects += Parts(item[..^2], lists, 0);
        }
    }

    private static int Parts(string name, Dictionary<string, List<string>> lists, int depth) =>
        lists.TryGetValue(name, out List<string>? parts) && depth < 4 && name is not ("obj" or "lib")
            ? parts.Where(p => p.EndsWith(".o", StringComparison.Ordinal)).Sum(p => Parts(p[..^2], lists, depth + 1))
            : 1;

    /// <summary>What is added to <c>NAME-y</c>, <c>NAME-objs</c> and the like where the configuration has it so.</summary>
    private Dictionary<string, List<string>> Lists(string[] lines)
    {
        Dictionary<string, List<string>> lists = new(StringComparer.Ordinal);
        Stack<(bool Active, bool Taken)> conditions = new();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            while (line.EndsWith('\\') && i + 1 < lines.Length)
                line = line[..^1] + " " + lines[++i];
            int comment = line.IndexOf('#', StringComparison.Ordinal);
            line = (comment < 0 ? line : line[..comment]).Trim();
            if (TakeCondition(line, conditions) || conditions.Any(c => !c.Active) || Assignment().Match(line) is not { Success: true } match)
                continue;
            string value = Options().Replace(match.Groups["when"].Value, m => _configuration.ValueOf(m.Groups["name"].Value));
            if (value is not ("y" or "m" or "objs"))
                continue;
            if (!lists.TryGetValue(match.Groups["name"].Value, out List<string>? list))
                lists[match.Groups["name"].Value] = list = [];
            list.AddRange(match.Groups["value"].Value.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries));
        }

        return lists;
    }

    private bool TakeCondition(string line, Stack<(bool Active, bool Taken)> conditions)
    {
        if (line.StartsWith("endif", StringComparison.Ordinal))
        {
            conditions.TryPop(out _);
        }
        else if (line.StartsWith("else", StringComparison.Ordinal) && conditions.TryPop(out (bool Active, bool Taken) last))
        {
            string rest = line["else".Length..].Trim();
            bool holds = !last.Taken && (rest.Length == 0 || Holds(rest));
            conditions.Push((holds, last.Taken || holds));
        }
        else if (line.StartsWith("if", StringComparison.Ordinal))
        {
            bool holds = Holds(line);
            conditions.Push((holds, holds));
        }
        else
        {
            return false;
        }

        return true;
    }

    private bool Holds(string condition)
    {
        string plain = Options().Replace(condition, m => _configuration.ValueOf(m.Groups["name"].Value) is not "n" and var value ? value : "");
        if (Defined().Match(plain) is { Success: true } defined)
            return (_configuration.ValueOf(defined.Groups["name"].Value) != "n") == (defined.Groups["not"].Length == 0);
        return Equal().Match(plain) is { Success: true } equal && !plain.Contains('$', StringComparison.Ordinal)
            && (equal.Groups["left"].Value.Trim() == equal.Groups["right"].Value.Trim()) == (equal.Groups["not"].Length == 0);
    }

    [GeneratedRegex(@"^(?<name>[A-Za-z0-9_.-]+?)-(?<when>y|m|objs|\$\(CONFIG_\w+\))\s*[:+]?=\s*(?<value>.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\$\(CONFIG_(?<name>\w+)\)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Options();

    [GeneratedRegex(@"^if(?<not>n?)def\s+CONFIG_(?<name>\w+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Defined();

    [GeneratedRegex(@"^if(?<not>n?)eq\s*\((?<left>[^,]*),(?<right>[^)]*)\)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Equal();
}
