namespace Uml.CI.Packages.Tests;

/// <summary>A folder outside of the repository, gone with the test.</summary>
public sealed class Folder(Feed feed) : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-packages-folder-");

    public string this[string name] => Path.Combine(_scratch.FullName, name);

    /// <summary>Copies what a user would copy of a directory of the repository.</summary>
    public Folder Copy(string directory)
    {
        string source = Path.Combine(Feed.Root, directory);
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(source, file);
            if (!name.Split('/').Any(p => p is "bin" or "obj"))
                Write(name, File.ReadAllText(file));
        }

        return this;
    }

    public void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], text);
    }

    /// <summary>Runs dotnet here; returns what it said.</summary>
    public Task<string> DotnetAsync(params string[] arguments) => Dotnet.RunAsync(feed, _scratch.FullName, arguments);

    /// <inheritdoc cref="DotnetAsync(string[])"/>
    public Task<string> DotnetAsync(string[] arguments, params (string Name, string Value)[] environment) =>
        Dotnet.RunAsync(feed, _scratch.FullName, arguments, environment);

    public void Dispose() => _scratch.Delete(recursive: true);
}
