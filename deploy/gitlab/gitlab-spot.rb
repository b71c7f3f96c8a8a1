# GitLab for a small host: 2 cores, 4 GiB, some swap. Values as GitLab's own page on constrained environments advises them:
# https://docs.gitlab.com/omnibus/settings/memory_constrained_envs/
external_url ENV.fetch('EXTERNAL_URL')
gitlab_rails['gitlab_shell_ssh_port'] = ENV.fetch('SPOT_SSH_PORT', '6886').to_i
gitlab_rails['time_zone'] = ENV['TZ'] if ENV['TZ']

if ENV.fetch('EXTERNAL_URL').start_with?('https:')
  # Certificates are your own (ssl/NAME.crt, ssl/NAME.key); a host inside a VPC can't be reached for an automatic one.
  letsencrypt['enable'] = false
  nginx['redirect_http_to_https'] = true
  nginx['redirect_http_to_https_port'] = ENV.fetch('SPOT_HTTP_PORT', '8668').to_i
end

# A runner's question for a job is held until there is one: a job starts at once, and nobody asks every few seconds.
gitlab_workhorse['api_ci_long_polling_duration'] = '50s'

# The registry of images costs memory, so it is off unless .env names its address. Without TLS the instances' docker must be
# told that it is insecure (INSECURE_REGISTRY in image/provision.sh).
if ENV.fetch('SPOT_REGISTRY_URL', '') != ''
  registry_external_url ENV.fetch('SPOT_REGISTRY_URL')
else
  registry['enable'] = false
  gitlab_rails['registry_enabled'] = false
end

# One process that serves, none that forks.
puma['worker_processes'] = 0
puma['per_worker_max_memory_mb'] = 1024
sidekiq['concurrency'] = 5
postgresql['shared_buffers'] = '128MB'
nginx['worker_processes'] = 2

# Gives memory back soon instead of keeping it.
gitlab_rails['env'] = { 'MALLOC_CONF' => 'dirty_decay_ms:1000,muzzy_decay_ms:1000' }
gitaly['env'] = {
  'MALLOC_CONF' => 'dirty_decay_ms:1000,muzzy_decay_ms:1000',
  'GITALY_COMMAND_SPAWN_MAX_PARALLEL' => '2'
}
gitaly['configuration'] = {
  concurrency: [
    { rpc: '/gitaly.SmartHTTPService/PostReceivePack', max_per_repo: 3 },
    { rpc: '/gitaly.SSHService/SSHUploadPack', max_per_repo: 3 }
  ]
}

# Not needed for pipelines, and each costs memory all day.
prometheus_monitoring['enable'] = false
gitlab_kas['enable'] = false
