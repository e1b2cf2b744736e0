using Uml.CI.Wire;

namespace Uml.CI.Cli;

/// <summary>Prints what a run would start. Nothing is fetched and nothing is started.</summary>
internal static class DryRun
{
    public static async Task<int> PrintAsync(RunRequest request)
    {
        GuestOptions options = request.Guest;
        HostRequirements.Check();
        var store = new KernelStore();
        // A lock file that does not know the kernel yet would be written.
        string? lockFile = request.LockFile;
        if (lockFile is not null && KernelLock.Load(lockFile).Find(options.Kernel) is null)
            lockFile = null;
        GuestKernel kernel = await store.ResolveAsync(options.Kernel, new KernelResolveOptions { Offline = true, LockFile = lockFile, SettingsDirectory = request.SettingsDirectory });
        RootImage? image = options.Root.Reference is { } reference ? await new ImageStore().ResolveAsync(reference, new ImageResolveOptions { Offline = true }) : null;
        var plan = BootPlan.Create(options, kernel, new BootPlan.HostFacts(
            MemoryDirectory.Find(options.Memory), Initramfs.Ensure(AgentBinary.Find(), store.Root), "uml-dry-run", Directory.GetCurrentDirectory(), image, options.Scratch is null ? null : "(scratch)"));
        string directory = $"{plan.Start.BaseDirectory}/{plan.Start.Name}";

        // The supervisor adds what depends on the guest's own directory (Uml.Agent, KernelProcess).
        string[] environment = [.. plan.Start.Environment, $"TMPDIR={directory}/guest/mem", $"HOME={directory}"];
        string[] arguments = [.. plan.Start.Arguments, "uml_dir=guest/uml/", $"umid={plan.Start.Name}"];
        Descriptor.Output.Write($"""
            # {kernel.Reference} is Linux {kernel.Release}; root {options.Root}; in the guest: {ShellText.Join(request.Command.IsEmpty ? [.. image?.Record.Command ?? []] : request.Command)}
            # Run by the supervisor in {directory}; (log) and (console) stand for descriptors it opens.
            env -i {string.Join(" \\\n    ", environment.Select(ShellText.Quote).Append(ShellText.Quote(plan.Start.Kernel)).Concat(arguments.Select(a => ShellText.Quote(Placeholders(a, plan.Start)))))}

            """);
        return 0;
    }

    private static string Placeholders(string argument, StartGuestMessage start) =>
        start.Disks.Select((path, number) => (path, number)).Aggregate(argument, (a, disk) => a.Replace($"{{disk{disk.number}}}", disk.path, StringComparison.Ordinal)).Replace("{initramfs}", start.Initramfs, StringComparison.Ordinal).Replace("{log}", "(log)", StringComparison.Ordinal).Replace("{console}", "(console)", StringComparison.Ordinal);
}
