using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>
/// Finds the file and line of stack frames with binutils' nm and addr2line (or LLVM's, which take the same arguments), in the
/// way of the kernel's scripts/faddr2line: the function's address by its name and size, plus the offset. Where a frame has
/// the address itself, as User-mode Linux prints it, that settles which of several functions with one name it is.
/// </summary>
/// <param name="image">The kernel with its debug information, such as linux.debug.</param>
/// <param name="modules">Modules with theirs, by name, or null: then frames in modules are left as they are.</param>
public sealed class FrameResolver(string image, IReadOnlyDictionary<string, string>? modules = null)
{
    private static readonly string[] SymbolTools = ["nm", "llvm-nm"];
    private static readonly string[] LineTools = ["addr2line", "llvm-addr2line"];

    private readonly Dictionary<string, Dictionary<string, List<Symbol>>> _symbols = new(StringComparer.Ordinal);

    /// <summary>The directories programs are looked for in; null is PATH.</summary>
    internal string? SearchPath { get; init; }

    /// <summary>Resolves the frames of complaints.</summary>
    /// <param name="complaints">The complaints.</param>
    /// <param name="cancellationToken">Ends the programs.</param>
    /// <returns>The complaints with their frames, and why some frames were not resolved.</returns>
    public async Task<(ImmutableArray<KernelComplaint> Complaints, ImmutableArray<string> Notes)> ResolveAsync(
        IReadOnlyList<KernelComplaint> complaints, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(complaints);
        FrameResolution resolution = await ResolveAsync([.. complaints.SelectMany(complaint => complaint.Frames)], cancellationToken);
        int at = 0;
        ImmutableArray<KernelComplaint>.Builder resolved = ImmutableArray.CreateBuilder<KernelComplaint>(complaints.Count);
        foreach (KernelComplaint complaint in complaints)
        {
            resolved.Add(complaint with { Frames = [.. resolution.Frames.AsSpan(at, complaint.Frames.Length)] });
            at += complaint.Frames.Length;
        }

        return (resolved.ToImmutable(), resolution.Notes);
    }

    /// <summary>Resolves frames, all with one run of addr2line per file. Not to be called again before it has ended.</summary>
    /// <param name="frames">The frames.</param>
    /// <param name="cancellationToken">Ends the programs.</param>
    public async Task<FrameResolution> ResolveAsync(IReadOnlyList<KernelStackFrame> frames, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(frames);
        var result = frames.ToArray();
        List<string> notes = [];
        string? symbolTool = Find(SymbolTools);
        string? lineTool = Find(LineTools);
        if (frames.Count == 0 || symbolTool is null || lineTool is null)
        {
            if (frames.Count > 0)
                notes.Add($"{(symbolTool is null ? "nm" : "addr2line")} was not found; install binutils to have the source lines of stack frames");
            return new FrameResolution([.. result], [.. notes]);
        }

        foreach (IGrouping<string?, int> group in Enumerable.Range(0, result.Length).GroupBy(at => result[at].Module, StringComparer.Ordinal))
        {
            string? file = group.Key is null ? image : modules?.GetValueOrDefault(group.Key);
            if (file is null || !File.Exists(file))
            {
                notes.Add(group.Key is null ? $"{image} does not exist: the kernel's frames have no source lines" : $"no debug information for module {group.Key}: its frames have no source lines");
                continue;
            }

            try
            {
                await ResolveInAsync(file, group, result, notes, symbolTool, lineTool, cancellationToken);
            }
            catch (Exception exception) when (exception is IOException or InvalidOperationException or System.ComponentModel.Win32Exception)
            {
                notes.Add($"the source lines of {file} cannot be read: {exception.Message}");
            }
        }

        return new FrameResolution([.. result], [.. notes.Distinct()]);
    }

    private async Task ResolveInAsync(
        string file, IEnumerable<int> which, KernelStackFrame[] frames, List<string> notes, string symbolTool, string lineTool, CancellationToken cancellationToken)
    {
        if (!_symbols.TryGetValue(file, out Dictionary<string, List<Symbol>>? symbols))
            _symbols[file] = symbols = ReadSymbols(await RunAsync(symbolTool, ["-n", "--", file], "", cancellationToken));
        if (symbols.Count == 0)
        {
            notes.Add($"{file} has no symbols");
            return;
        }

        List<(int Frame, ulong Address)> asked = [];
        foreach (int at in which)
        {
            if (AddressOf(frames[at], symbols) is { } address)
                asked.Add((at, address));
            else
                notes.Add($"{frames[at].Function} is not in {Path.GetFileName(file)}, or more than one function is: no source line");
        }

        // What the kernel's own script does: init/main.c says where the tree is that the names begin with.
        ulong? landmark = symbols.TryGetValue("start_kernel", out List<Symbol>? start) ? start[0].Address : null;
        StringBuilder input = new();
        if (landmark is { } known)
            input.Append(CultureInfo.InvariantCulture, $"0x{known:x}\n");
        foreach ((_, ulong address) in asked)
            input.Append(CultureInfo.InvariantCulture, $"0x{address:x}\n");
        string output = await RunAsync(lineTool, ["-a", "-f", "-i", "-e", file], input.ToString(), cancellationToken);
        List<List<KernelSourceLine>> answers = ReadLines(output);
        int offset = landmark is null ? 0 : 1;
        if (answers.Count != asked.Count + offset)
            throw new InvalidOperationException($"{Path.GetFileName(lineTool)} gave {answers.Count} answers to {asked.Count + offset} questions");

        if (asked.Count > 0 && answers.TrueForAll(a => a.Count == 0))
            notes.Add($"{file} has no debug information (CONFIG_DEBUG_INFO): its frames have no source lines");
        string root = "";
        if (offset == 1 && answers[0] is [var main, ..] && main.Location.File.EndsWith("init/main.c", StringComparison.Ordinal))
            root = main.Location.File[..^"init/main.c".Length];
        for (int at = 0; at < asked.Count; at++)
        {
            KernelStackFrame frame = frames[asked[at].Frame];
            frames[asked[at].Frame] = frame with { Source = [.. answers[at + offset].Select(line => line with { Location = line.Location with { File = Relative(line.Location.File, root) } })] };
        }
    }

    private static ulong? AddressOf(KernelStackFrame frame, Dictionary<string, List<Symbol>> symbols)
    {
        // The call is before the address it returns to, and may be the last of its line, or of its function.
        ulong back = frame.IsReturnAddress && frame.Offset > 0 ? 1UL : 0;
        if (!symbols.TryGetValue(frame.Function, out List<Symbol>? candidates))
            return null;
        if (frame.Address is { } address && candidates.Exists(symbol => symbol.Address == address - frame.Offset))
            return address - back;

        // Another build of the kernel would have it elsewhere, and another size: no line is better than a wrong one.
        List<Symbol> fitting = frame.Size == 0 ? candidates : candidates.FindAll(symbol => symbol.Size == frame.Size);
        return fitting.Count == 1 && frame.Offset <= Math.Max(fitting[0].Size, 1) ? fitting[0].Address + frame.Offset - back : null;
    }

    // The kernel's sizes reach to the next symbol, not to the end of the function.
    private static Dictionary<string, List<Symbol>> ReadSymbols(string text)
    {
        List<(ulong Address, string Name)> all = [];
        foreach (string line in text.Split('\n'))
        {
            // "0000000060041039 T show_stack"
            string[] fields = line.Split(' ', 3);
            if (fields.Length == 3 && fields[1].Length == 1 && ulong.TryParse(fields[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong address))
                all.Add((address, fields[2].TrimEnd()));
        }

        all.Sort((a, b) => a.Address.CompareTo(b.Address));
        Dictionary<string, List<Symbol>> symbols = new(StringComparer.Ordinal);
        ulong next = 0;
        for (int at = all.Count - 1; at >= 0; at--)
        {
            if (at + 1 < all.Count && all[at + 1].Address != all[at].Address)
                next = all[at + 1].Address;
            if (!symbols.TryGetValue(all[at].Name, out List<Symbol>? named))
                symbols[all[at].Name] = named = [];
            named.Add(new Symbol(all[at].Address, next > all[at].Address ? next - all[at].Address : 0));
        }

        return symbols;
    }

    // "0x60041149", then pairs of function and "file:line (discriminator 3)", innermost first.
    private static List<List<KernelSourceLine>> ReadLines(string output)
    {
        List<List<KernelSourceLine>> answers = [];
        string[] lines = output.Split('\n');
        for (int at = 0; at < lines.Length; at++)
        {
            string line = lines[at].TrimEnd();
            if (line.StartsWith("0x", StringComparison.Ordinal))
            {
                answers.Add([]);
                continue;
            }

            if (answers.Count == 0 || at + 1 >= lines.Length)
                continue;
            string place = lines[++at];
            int blank = place.IndexOf(' ');
            if (blank >= 0)
                place = place[..blank];
            int colon = place.LastIndexOf(':');
            if (colon > 0 && int.TryParse(place.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0 && place[0] != '?')
                answers[^1].Add(new KernelSourceLine(line, new KernelSourceLocation(place[..colon], number)));
        }

        return answers;
    }

    // "/build/./arch/um/kernel/x.c" and "/build/arch/x86/um/../include/y.h" are where they are.
    private static string Relative(string file, string root)
    {
        if (root.Length > 0 && file.StartsWith(root, StringComparison.Ordinal))
            file = file[root.Length..];
        List<string> parts = [];
        foreach (string part in file.Split('/'))
        {
            if (part == ".." && parts.Count > 0 && parts[^1] is not ("" or ".."))
                parts.RemoveAt(parts.Count - 1);
            else if (part != ".")
                parts.Add(part);
        }

        return string.Join('/', parts);
    }

    private string? Find(string[] names)
    {
        string[] directories = (SearchPath ?? Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return names.SelectMany(name => directories.Select(directory => Path.Combine(directory, name))).FirstOrDefault(File.Exists);
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string input, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(program)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["LC_ALL"] = "C" },
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} could not be started");
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellationToken);
            Task<string> error = process.StandardError.ReadToEndAsync(cancellationToken);
            try
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended early; its status says why.
            }

            await process.WaitForExitAsync(cancellationToken);
            string text = await output;
            return process.ExitCode == 0 ? text : throw new InvalidOperationException($"{Path.GetFileName(program)} ended with status {process.ExitCode}: {(await error).Trim()}");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    private readonly record struct Symbol(ulong Address, ulong Size);
}
