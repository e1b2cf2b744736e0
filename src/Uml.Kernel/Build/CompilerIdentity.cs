namespace Uml.CI;

/// <summary>Which compiler and linker a kernel is built with.</summary>
/// <param name="Compiler">The first line of <c>--version</c>.</param>
/// <param name="Linker">The same of the linker.</param>
/// <param name="Target">What it compiles for, and the C library it compiles with.</param>
internal sealed record CompilerIdentity(string Compiler, string Linker, string Target)
{
    /// <summary>Asks them.</summary>
    /// <exception cref="KernelException">The compiler does not work.</exception>
    public static async Task<CompilerIdentity> ReadAsync(string compiler, HostTools host, string reference, CancellationToken cancellationToken)
    {
        try
        {
            string version = await AskAsync(compiler, "--version");
            string linker = BuildTool.Find((await AskAsync(compiler, "-print-prog-name=ld")).Trim(), host.Variable("PATH")) ?? "ld";
            string macros = await AskAsync(compiler, "-E", "-dM", "-include", "features.h", "-x", "c", "/dev/null");
            string library = string.Join(' ', macros.Split('\n').Where(l => l.StartsWith("#define __GLIBC", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
            return new CompilerIdentity(FirstLine(version), FirstLine(await AskAsync(linker, "--version")), $"{(await AskAsync(compiler, "-dumpmachine")).Trim()} {library}");
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{reference} cannot be built: the compiler {compiler} does not work: {OneLine.Of(e)}", e) { Problem = KernelProblem.Unavailable };
        }

        async Task<string> AskAsync(string program, params string[] arguments) => (await new ExternalProgram(program)
        {
            Arguments = [.. arguments],
            Environment = BuildEnvironment.Create(host.Variable),
        }.RunAsync(cancellationToken)).StandardOutput;
    }

    private static string FirstLine(string text) => text.Split('\n')[0].Trim();
}
