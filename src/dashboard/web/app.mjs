document.querySelector('p').textContent = 'The dashboard comes here.';
