using System.Globalization;

namespace Uml.CI.Tests;

public sealed class FrameResolverTests
{
    // A kernel of the default store with its debug information.
    private static string? Image
    {
        get
        {
            string? store = Environment.GetEnvironmentVariable("UML_CACHE");
            if (string.IsNullOrEmpty(store))
                store = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache/uml");
            string kernels = Path.Combine(store, "kernels");
            return !Directory.Exists(kernels) ? null
                : Directory.EnumerateDirectories(kernels).Select(directory => Path.Combine(directory, "linux.debug")).Where(File.Exists).Where(HasDebugInformation).Order(StringComparer.Ordinal).FirstOrDefault();
        }
    }

    // A kernel built without it has the file all the same, with its symbols alone.
    private static bool HasDebugInformation(string image) => new FileInfo(image).Length > 50_000_000;

    [Fact]
    public async Task Frames_get_their_file_and_line()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string? image = Image;
        Assert.SkipWhen(image is null, "no kernel with debug information in the default store: uml kernel build");
        Assert.SkipWhen(KernelTrees.FindProgram("nm") is null || KernelTrees.FindProgram("addr2line") is null, "binutils is not installed");
        string map = await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(image)!, "System.map"), cancellation);
        (ulong address, ulong size) = Symbol(map, "ksys_write");

        FrameResolver resolver = new(image);
        FrameResolution resolution = await resolver.ResolveAsync(
            [
                new KernelStackFrame("ksys_write", size / 2, size),
                new KernelStackFrame("ksys_write", size / 2, size) { Address = address + (size / 2) },
                new KernelStackFrame("ksys_write", 0, size) { IsReliable = false },
                new KernelStackFrame("ksys_write", 4, size + 1),
                new KernelStackFrame("no_such_function", 4, 8),
                new KernelStackFrame("in_a_module", 4, 8) { Module = "foo" },
            ], cancellation);
        Assert.Equal(6, resolution.Frames.Length);
        for (int at = 0; at < 3; at++)
        {
            KernelSourceLine outermost = resolution.Frames[at].Source[^1];
            Assert.Equal(("ksys_write", "fs/read_write.c"), (outermost.Function, outermost.Location.File));
            Assert.InRange(outermost.Location.Line, 1, 100_000);
        }

        Assert.Equal(resolution.Frames[0].Source, resolution.Frames[1].Source);
        Assert.All(resolution.Frames.Skip(3), frame => Assert.Empty(frame.Source));
        Assert.Contains(resolution.Notes, note => note.Contains("no_such_function", StringComparison.Ordinal));
        Assert.Contains(resolution.Notes, note => note.Contains("module foo", StringComparison.Ordinal));
        Assert.Contains("fs/read_write.c:", resolution.Frames[0].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Complaints_get_their_frames_back()
    {
        string? image = Image;
        Assert.SkipWhen(image is null, "no kernel with debug information in the default store: uml kernel build");
        Assert.SkipWhen(KernelTrees.FindProgram("nm") is null || KernelTrees.FindProgram("addr2line") is null, "binutils is not installed");
        string map = await File.ReadAllTextAsync(Path.Combine(Path.GetDirectoryName(image)!, "System.map"), TestContext.Current.CancellationToken);
        (ulong address, ulong size) = Symbol(map, "show_stack");
        string log = $"Kernel panic - not syncing: x\nCall Trace:\n [<{address + 8:x}>] show_stack+0x8/0x{size:x}\n\nWARNING: y\nCall Trace:\n [<{address + 8:x}>] ? show_stack+0x8/0x{size:x}\n";
        (var complaints, var notes) = await new FrameResolver(image).ResolveAsync(KernelLogScanner.Scan(log), TestContext.Current.CancellationToken);
        Assert.Empty(notes);
        Assert.Equal(2, complaints.Length);
        Assert.All(complaints, complaint => Assert.EndsWith("sysrq.c", Assert.Single(complaint.Frames).Source[^1].Location.File, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_tool_or_an_image_frames_stay_as_they_are_and_a_note_says_why()
    {
        KernelStackFrame frame = new("foo", 1, 2);
        FrameResolution none = await new FrameResolver("/nowhere/linux.debug") { SearchPath = "/nowhere" }.ResolveAsync([frame], TestContext.Current.CancellationToken);
        Assert.Equal([frame], none.Frames);
        Assert.Contains("binutils", Assert.Single(none.Notes), StringComparison.Ordinal);
        Assert.SkipWhen(KernelTrees.FindProgram("nm") is null || KernelTrees.FindProgram("addr2line") is null, "binutils is not installed");
        FrameResolution missing = await new FrameResolver("/nowhere/linux.debug").ResolveAsync([frame], TestContext.Current.CancellationToken);
        Assert.Contains("does not exist", Assert.Single(missing.Notes), StringComparison.Ordinal);

        string broken = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(broken, "not an image", TestContext.Current.CancellationToken);
            FrameResolution unreadable = await new FrameResolver(broken).ResolveAsync([frame], TestContext.Current.CancellationToken);
            Assert.Contains("cannot be read", Assert.Single(unreadable.Notes), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(broken);
        }
    }

    private static (ulong Address, ulong Size) Symbol(string map, string name)
    {
        string[] lines = map.Split('\n');
        int at = Array.FindIndex(lines, line => line.EndsWith(" " + name, StringComparison.Ordinal));
        Assert.True(at >= 0, $"{name} is not in System.map");
        ulong address = Address(at);
        int next = at + 1;
        while (Address(next) == address)
            next++;
        return (address, Address(next) - address);

        ulong Address(int line) => ulong.Parse(lines[line].Split(' ')[0], NumberStyles.AllowHexSpecifier);
    }
}
