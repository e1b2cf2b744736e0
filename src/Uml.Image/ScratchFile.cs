namespace Uml.CI;

/// <summary>
/// A sparse file with an empty ext4 file system that takes what a guest writes. Once the guest has it open it needs no name: it is
/// removed when the guest has started, and its room is free when the guest ends, in whatever way.
/// </summary>
internal sealed class ScratchFile : IDisposable
{
    private readonly TemporaryDirectory _directory;

    private ScratchFile(TemporaryDirectory directory) => _directory = directory;

    public string FilePath => Path.Combine(_directory.Path, "scratch");

    public static async Task<ScratchFile> CreateAsync(string parent, long size, CancellationToken cancellationToken)
    {
        string program = HostPrograms.Find(HostTools.Default, "mkfs.ext4")
            ?? throw new KernelException("The guest's writes cannot be put on the disk: the program mkfs.ext4 is not installed; install the package 'e2fsprogs', or leave the scratch size out.") { Problem = KernelProblem.Unavailable };
        var file = new ScratchFile(await TemporaryDirectory.CreateAsync(parent, cancellationToken));
        try
        {
            await using (FileStream made = File.Create(file.FilePath))
                made.SetLength(size);
            await new ExternalProgram(program)
            {
                // What is lost with the guest needs no journal.
                Arguments = ["-q", "-F", "-m", "0", "-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard", file.FilePath],
                EndsWithParent = true,
            }.RunAsync(cancellationToken);
            return file;
        }
        catch (ExternalProgramException e)
        {
            file.Dispose();
            throw new KernelException($"The guest's writes cannot be put on the disk: {e.Message}; see to the free space in {parent}.", e) { Problem = KernelProblem.Unavailable };
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _directory.Dispose();
}
