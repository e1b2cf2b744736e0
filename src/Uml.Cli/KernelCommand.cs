using System.CommandLine;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel</c>: the kernels on this machine.</summary>
internal static class KernelCommand
{
    public static Command Create()
    {
        var command = new Command("kernel", "Fetch, build, show and remove kernels");
        command.Subcommands.Add(CreatePull());
        command.Subcommands.Add(KernelBuildCommand.Create());
        command.Subcommands.Add(CreateList());
        command.Subcommands.Add(CreateRemove());
        HelpText.Describe(command, "uml kernel pull|build|list|remove");
        return command;
    }

    private static Command CreatePull()
    {
        Argument<string[]> references = References("Kernels to fetch: debian:SUITE, file:PATH or a path. Default: $UML_KERNEL, else debian:sid, or all that the lock file names", ArgumentArity.ZeroOrMore);
        var refresh = new Option<bool>("--refresh") { Description = "Fetch again what the store has already, and pin it anew" };
        var pin = new Option<bool>("--lock") { Description = $"Pin the kernels in {KernelLock.FileName}: the one that holds here, or a new one at the root of the git work tree" };
        var command = new Command("pull", "Fetch kernels into the store, so that runs need no network") { references, refresh, pin };
        command.SetAction((result, cancellation) => PullAsync(result.GetValue(references) ?? [], result.GetValue(refresh), result.GetValue(pin), cancellation));
        HelpText.Describe(command, "uml kernel pull [options] [REFERENCE...]", """
            Examples:
              uml kernel pull debian:sid debian:trixie
              uml kernel pull --lock debian:sid       # pins the version; commit the file
              uml kernel pull --refresh debian:sid    # the suite's newest
            """);
        return command;
    }

    private static Command CreateList()
    {
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var command = new Command("list", "Show the kernels of the store") { json };
        command.SetAction((result, _) => Task.FromResult(List(result.GetValue(json))));
        HelpText.Describe(command, "uml kernel list [--json]");
        return command;
    }

    private static Command CreateRemove()
    {
        Argument<string[]> references = References("References, or the beginnings of SHA-256 sums, as \"uml kernel list\" shows them", ArgumentArity.OneOrMore);
        var command = new Command("remove", "Remove kernels from the store") { references };
        command.SetAction((result, cancellation) => RemoveAsync(result.GetValue(references) ?? [], cancellation));
        HelpText.Describe(command, "uml kernel remove REFERENCE...");
        return command;
    }

    private static Argument<string[]> References(string description, ArgumentArity arity)
    {
        var argument = new Argument<string[]>("REFERENCE") { Arity = arity, Description = description };
        argument.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        return argument;
    }

    private static async Task<int> PullAsync(string[] names, bool refresh, bool pin, CancellationToken cancellationToken)
    {
        string here = Directory.GetCurrentDirectory();
        string? lockFile = pin ? KernelLock.FindOrPlaceFile(here) : KernelLock.FindFile(here);
        KernelReference[] references = [.. names.Select(KernelReference.Parse)];
        if (references.Length == 0 && lockFile is not null)
            references = [.. KernelLock.Load(lockFile).Entries.Keys.Select(KernelReference.Parse)];
        if (references.Length == 0)
            references = [new GuestOptions().Kernel];

        using var interrupted = new ForwardedSignals();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interrupted.Stopped);
        var store = new KernelStore();
        foreach (KernelReference reference in references)
        {
            using var progress = new ProgressLine(TimeSpan.Zero);
            GuestKernel kernel;
            try
            {
                kernel = await store.ResolveAsync(reference, new KernelResolveOptions { Refresh = refresh, Progress = progress, LockFile = lockFile }, cancellation.Token);
            }
            catch (OperationCanceledException)
            {
                return ExitStatus.OfSignal(interrupted.Last);
            }

            progress.Dispose();
            StoredKernel? stored = store.List().FirstOrDefault(k => k.Sha256 == kernel.Sha256);
            string package = kernel.PackageVersion is { } version ? $" (package {version})" : "";
            string place = stored is null ? kernel.ExecutablePath : $"{Size.Format(stored.Size)} in {stored.Directory}";
            Descriptor.Output.WriteLine($"{kernel.Reference}: Linux {kernel.Release}{package}, {place}");
        }

        if (lockFile is not null)
            Descriptor.Output.WriteLine($"pinned in {lockFile}");
        return 0;
    }

    private static int List(bool asJson)
    {
        var store = new KernelStore();
        IReadOnlyList<StoredKernel> kernels = store.List();
        if (asJson)
        {
            PrintJson(kernels);
            return 0;
        }

        if (kernels.Count == 0)
        {
            Message.Note($"no kernels in {store.Root}; fetch one with \"uml kernel pull\"");
            return 0;
        }

        string[][] rows =
        [
            ["REFERENCE", "RELEASE", "PACKAGE", "SIZE", "FETCHED", "SHA-256"],
            .. kernels.Select(k => (string[])[
                k.References.Count > 0 ? string.Join(',', k.References) : "-", k.Release, k.PackageVersion ?? "-", Size.Format(k.Size),
                k.Fetched.ToLocalTime().ToString("yyyy-MM-dd HH:mm"), k.Sha256[..12]]),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(r => r[i].Length))];
        foreach (string[] row in rows)
            Descriptor.Output.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        return 0;
    }

    private static void PrintJson(IReadOnlyList<StoredKernel> kernels)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartArray();
            foreach (StoredKernel kernel in kernels)
            {
                json.WriteStartObject();
                json.WriteString("release", kernel.Release);
                json.WriteString("sha256", kernel.Sha256);
                json.WriteStartArray("references");
                foreach (string reference in kernel.References)
                    json.WriteStringValue(reference);
                json.WriteEndArray();
                json.WriteString("package", kernel.PackageVersion);
                json.WriteString("directory", kernel.Directory);
                json.WriteNumber("size", kernel.Size);
                json.WriteString("fetched", kernel.Fetched);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        memory.WriteByte((byte)'\n');
        Descriptor.Output.Write(memory.GetBuffer().AsSpan(0, (int)memory.Length));
    }

    private static async Task<int> RemoveAsync(string[] names, CancellationToken cancellationToken)
    {
        var store = new KernelStore();
        foreach (string name in names)
        {
            StoredKernel removed = await store.RemoveAsync(name, cancellationToken);
            Descriptor.Output.WriteLine($"removed {name}{(removed.Release.Length > 0 ? $": Linux {removed.Release}, {Size.Format(removed.Size)}" : "")}");
        }

        return 0;
    }
}
