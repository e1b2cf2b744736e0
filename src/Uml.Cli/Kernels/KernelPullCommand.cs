using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel pull</c>: kernels into the store.</summary>
internal static class KernelPullCommand
{
    public static Command Create()
    {
        Argument<string[]> references = KernelCommand.References("Kernels to fetch: debian:SUITE, a version such as 7.3, nuget:ID@VERSION; debian-source:VERSION and source:DIRECTORY are built. Default: $UML_KERNEL, else debian:sid, or all that the lock file names", ArgumentArity.ZeroOrMore);
        var refresh = new Option<bool>("--refresh") { Description = "Fetch again what the store has already, and pin it anew" };
        var pin = new Option<bool>("--lock") { Description = $"Pin the kernels in {KernelLock.FileName}: the one that holds here, or a new one at the root of the git work tree" };
        var command = new Command("pull", "Fetch kernels into the store, so that runs need no network") { references, refresh, pin };
        command.SetAction((result, cancellation) => PullAsync(result.GetValue(references) ?? [], result.GetValue(refresh), result.GetValue(pin), cancellation));
        HelpText.Describe(command, "uml kernel pull [options] [REFERENCE...]", """
            Examples:
              uml kernel pull debian:sid debian:trixie
              uml kernel pull --lock debian:sid       # pins the version; commit the file
              uml kernel pull --refresh debian:sid    # the suite's newest
              uml kernel pull 7.3 '6.12.*'            # from the feeds in NuGet.Config
            """);
        return command;
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
                kernel = await store.ResolveAsync(reference, new KernelResolveOptions { Refresh = refresh, Progress = progress, LockFile = reference.IsLocal ? null : lockFile }, cancellation.Token);
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
}
